/** How busy this machine is, as a port. What the machine does not tell is left out; asking never fails. */
export interface Metrics {
  /** Work that runs or waits to, over the last minute, for each core. */
  readonly loadPerCore?: number;
  /** Share of the last ten seconds in which some work waited for memory, 0 to 1. */
  readonly memoryPressure?: number;
  /** The same for disks. */
  readonly ioPressure?: number;
}

export interface MetricsSource {
  read(): Promise<Metrics>;
}
