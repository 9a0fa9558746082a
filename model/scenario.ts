/** The load to serve: parallel sequences, prompt tokens and generated tokens. */
export interface Scenario {
  readonly batch: number
  readonly prefill: number
  readonly generate: number
  /** The engine that serves it. @default puzzleflow's decoder */
  readonly engine?: 'llama.cpp'
}

/** Seconds of one pass through a scenario. */
export interface Timing {
  readonly prefillSeconds: number
  /** Time from the first generated token to the last. */
  readonly decodeSeconds: number
}

/** A model ready to be timed. */
export interface TimedModel {
  /** Runs one pass: the prompt, then token by token. */
  pass(): Promise<Timing>
  release(): Promise<void>
}
