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
  /** From the first generated token to the last. */
  readonly decodeSeconds: number
  /** Seconds of each step of decoding, where the engine says so. */
  readonly steps?: readonly number[]
}

/** A model ready to be timed. */
export interface TimedModel {
  /** One pass: the prompt, then token by token. */
  pass(): Promise<Timing>
  release(): Promise<void>
}
