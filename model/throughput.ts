import type { Model } from './model.js'
import { Decoder } from './decoder.js'
import { LlamaTimed } from './llama-cpp/timed.js'
import type { Scenario, Seconds, TimedModel, Timing } from './scenario.js'

/** Prepares a model for timing in the scenario's engine.
 *  @param threads  of the engine. @default 1
 *  @throws Failure InvalidInput if the engine is not installed or cannot run the model */
export const openTimed = (model: Model, scenario: Scenario, threads = 1): Promise<TimedModel> =>
  scenario.engine === 'llama.cpp' ? LlamaTimed.create(model, scenario, threads) : Timed.create(model, scenario, threads)

/** Prepares models for timing, each in its scenario, and frees them when `use` is done with them, however it ends. */
export async function whileOpen<T>(
  models: readonly (readonly [model: Model, scenario: Scenario])[],
  threads: number,
  use: (timed: readonly TimedModel[]) => Promise<T>,
): Promise<T> {
  const timed: TimedModel[] = []
  try {
    for (const [model, scenario] of models) timed.push(await openTimed(model, scenario, threads))
    return await use(timed)
  } finally {
    for (const one of timed) await one.release()
  }
}

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
    const steps: number[] = []
    let end = middle
    for (let n = 1; n < this.scenario.generate; n++) {
      best = (await this.decoder.step(best)).best
      const now = performance.now()
      steps.push((now - end) / 1000)
      end = now
    }
    return { prefillSeconds: (middle - begin) / 1000, decodeSeconds: (end - middle) / 1000, steps }
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

/**
 * Times several models in turn, so that other load on the machine affects all of them; the order is reversed from round to
 * round, so that none always runs behind the same other. The first pass of each is a warm-up.
 * @returns the passes of each model, [models][repetitions]
 */
export async function alternate(
  timed: readonly TimedModel[],
  repetitions: number,
  progress: (done: number) => void = () => {},
): Promise<Timing[][]> {
  const passes: Timing[][] = timed.map(() => [])
  const order = timed.map((_, i) => i)
  for (let r = 0; r <= repetitions; r++) {
    for (const i of r % 2 === 0 ? order : [...order].reverse()) {
      const pass = await timed[i]!.pass()
      if (r > 0) passes[i]!.push(pass)
    }
    progress(r)
  }
  return passes
}

/**
 * Returns what a pass takes while nothing else slows the machine: noise only ever adds, so it is the lower quartile of the
 * passes that counts, for each step of decoding by itself where steps were timed: a burst of noise then spoils a step, and not
 * a pass.
 */
export function quiet(passes: readonly Timing[]): Seconds {
  const steps = passes[0]?.steps?.map((_, step) => lowerQuartile(passes.map((pass) => pass.steps![step]!)))
  return {
    prefillSeconds: lowerQuartile(passes.map((pass) => pass.prefillSeconds)),
    decodeSeconds: steps ? steps.reduce((a, b) => a + b, 0) : lowerQuartile(passes.map((pass) => pass.decodeSeconds)),
  }
}

function lowerQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) / 4
  const below = Math.floor(place)
  const [a, b] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!]
  return a + (place - below) * (b - a)
}
