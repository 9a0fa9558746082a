/** Precisions in which a model's weights can be served. */
export type WeightPrecision = 'float32' | 'float16' | 'bfloat16'

/** Precisions in which a cache of keys and values can be held. `int8`: blocks of 32 integers with a float16 scale each, as in
 *  llama.cpp (q8_0). */
export type CachePrecision = WeightPrecision | 'int8'

/** The load to serve: parallel sequences, prompt tokens and generated tokens. */
export interface Scenario {
  /** Number of parallel sequences. */
  readonly batch: number
  /** Prompt tokens per sequence. */
  readonly prefill: number
  /** Generated tokens per sequence. */
  readonly generate: number
  /** The engine that serves it. @default puzzleflow's decoder */
  readonly engine?: 'llama.cpp'
  /** Precision of the weights where it is served. @default what the engine has: float32; float16 in llama.cpp */
  readonly weights?: WeightPrecision
  /** Precision of keys and values where it is served. @default what the engine has: float32; float16 in llama.cpp */
  readonly cache?: CachePrecision
}

/** Seconds of one pass through a scenario. */
export interface Timing {
  /** Time to process the prompt and generate the first token. */
  readonly prefillSeconds: number
  /** Time from the first generated token to the last. */
  readonly decodeSeconds: number
  /** Seconds of each step of decoding, where the engine says so. */
  readonly steps?: readonly number[]
}

/** Seconds of prefill and of decoding. */
export type Seconds = Pick<Timing, 'prefillSeconds' | 'decodeSeconds'>

/** A model ready to be timed. */
export interface TimedModel {
  /** Runs one pass: the prompt, then token by token. */
  pass(): Promise<Timing>
  /** Seconds that a process of its own has used of the processors so far; absent where the model runs in this process. */
  readonly processorSeconds?: () => Promise<number>
  /** Frees the memory of the model, which cannot be used afterwards. */
  release(): Promise<void>
}
