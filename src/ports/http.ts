/** Plain HTTP as a port, for probes and the canary. */

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

export interface Http {
  /**
   * One request, no retry. Any status is an answer. Errors: UNAVAILABLE when none came within `timeoutMs`. The body is
   * cut at 64 KiB.
   */
  get(url: string, options: { timeoutMs: number; headers?: Readonly<Record<string, string>> }): Promise<HttpAnswer>;

  /** As {@link get}, with a body. The effect of a request that was not answered is unknown. */
  post(
    url: string,
    options: { body: string; timeoutMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<HttpAnswer>;
}
