import type { Model } from './model.js'
import { Decoder } from './decoder.js'
import { LlamaTimed } from './llama-cpp/timed.js'
import type { Scenario, TimedModel, Timing } from './scenario.js'

/** Prepares a model for timing in the scenario's engine.
 *  @param threads  of the engine. @default 1
 *  @throws Failure InvalidInput if the engine is not installed or cannot run the model */
export const openTimed = (model: Model, scenario: Scenario, threads = 1): Promise<TimedModel> =>
  scenario.engine === 'llama.cpp' ? LlamaTimed.create(model, scenario, threads) : Timed.create(model, scenario, threads)

/** A model in puzzleflow's decoder, ready to be timed. */
export class Timed implements TimedModel {
  private constructor(
    private readonly decoder: Decoder,
    private readonly scenario: Scenario,
    private readonly prompt: Int32Array,
  ) {}

  static async create(model: Model, scenario: Scenario, threads = 1): Promise<Timed> {
    const decoder = await Decoder.create(model, { batch: scenario.batch, threads })
    const prompt = Int32Array.from(
      { length: scenario.batch * scenario.prefill },
      (_, i) => (i * 7919) % model.config.vocabulary,
    )
    return new Timed(decoder, scenario, prompt)
  }

  /** Runs one pass: the prompt, then token by token. */
  async pass(): Promise<Timing> {
    const begin = performance.now()
    let { best } = await this.decoder.prefill(this.prompt)
    const middle = performance.now()
    for (let n = 1; n < this.scenario.generate; n++) best = (await this.decoder.step(best)).best
    const end = performance.now()
    return { prefillSeconds: (middle - begin) / 1000, decodeSeconds: (end - middle) / 1000 }
  }

  async release(): Promise<void> {
    await this.decoder.release()
  }
}

/** Returns the median of at least one value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Times several models in turn, so that other load on the machine affects all of them. The first pass of each is a warm-up.
 *  @returns the passes of each model, [models][repetitions] */
export async function alternate(timed: readonly TimedModel[], repetitions: number): Promise<Timing[][]> {
  const passes: Timing[][] = timed.map(() => [])
  for (let r = 0; r <= repetitions; r++)
    for (const [i, one] of timed.entries()) {
      const pass = await one.pass()
      if (r > 0) passes[i]!.push(pass)
    }
  return passes
}

/** Returns the medians of several passes. */
export const typical = (passes: readonly Timing[]): Timing => ({
  prefillSeconds: median(passes.map((p) => p.prefillSeconds)),
  decodeSeconds: median(passes.map((p) => p.decodeSeconds)),
})

/** Returns the generated tokens per second of a whole pass, including prefill. */
export const tokensPerSecond = ({ batch, generate }: Scenario, { prefillSeconds, decodeSeconds }: Timing): number =>
  (batch * generate) / (prefillSeconds + decodeSeconds)
