/** The site's link to the cloud, which the demo cuts: from then on nothing gets through in either direction. */
import { LeewardError } from '../kernel/errors.ts';
import type { CloudLink } from '../ports/cloud-link.ts';
import type { HeartbeatAnswer } from '../protocol/heartbeat.ts';
import type { LeaseAnswer } from '../protocol/lease.ts';
import type { SignedMessage } from '../protocol/signed.ts';

export class CuttableLink implements CloudLink {
  readonly #link: CloudLink;
  #isCut = false;

  constructor(link: CloudLink) {
    this.#link = link;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
  }

  async heartbeat(message: SignedMessage): Promise<HeartbeatAnswer> {
    return await this.#through(() => this.#link.heartbeat(message));
  }

  async lease(message: SignedMessage): Promise<LeaseAnswer> {
    return await this.#through(() => this.#link.lease(message));
  }

  async putEntry(containerUrl: string, name: string, bytes: Uint8Array): Promise<void> {
    await this.#through(() => this.#link.putEntry(containerUrl, name, bytes));
  }

  async putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#through(() => this.#link.putPages(blobUrl, offset, bytes));
  }

  async sendMessage(queueUrl: string, text: string): Promise<void> {
    await this.#through(() => this.#link.sendMessage(queueUrl, text));
  }

  async #through<T>(request: () => Promise<T>): Promise<T> {
    this.#check();
    const answer = await request();
    // An answer that was on its way is lost, too.
    this.#check();
    return answer;
  }

  #check(): void {
    if (this.#isCut) throw new LeewardError('UNAVAILABLE', 'the link to the cloud is cut');
  }
}
