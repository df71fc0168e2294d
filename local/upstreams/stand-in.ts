/** What a stand-in gets when it starts. */
export interface StandInContext {
  /** Its own file, for state that must survive a restart. */
  statePath: string;
}

/** An upstream's API on this machine. */
export interface RunningStandIn {
  url: string;
  /** What the upstream's secret holds. */
  secret: Record<string, string>;
  stop(): Promise<void>;
}

/** What `local/upstreams/<name>.ts` exports as `standIn`, for the upstream of that name. */
export interface StandIn<Running extends RunningStandIn = RunningStandIn> {
  start(context: StandInContext): Promise<Running>;
}
