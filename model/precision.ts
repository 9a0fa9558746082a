import type { CachePrecision, Scenario } from './scenario.js'

/** Bytes of a value. */
const bytes: Readonly<Record<CachePrecision, number>> = { float32: 4, float16: 2, bfloat16: 2, int8: (32 + 2) / 32 }

/** Bytes of a weight that is not quantised, in the scenario. @default 4, or 2 in llama.cpp */
export const weightWidth = ({ weights, engine }: Scenario): number =>
  bytes[weights ?? (engine === 'llama.cpp' ? 'float16' : 'float32')]

/** Bytes of a value of a cache that grows with tokens, in the scenario. @default 4, or 2 in llama.cpp */
export function cacheWidth(scenario: Scenario): number {
  const problem = cacheProblem(scenario)
  if (problem !== undefined) throw new Error(`Internal error: ${problem}`)
  const { cache, engine } = scenario
  return bytes[cache ?? (engine === 'llama.cpp' ? 'float16' : 'float32')]
}

/** Why the engine cannot hold the scenario's cache; undefined if it can. Numbers of 16 bits stand for a child that is served
 *  elsewhere as the same model; integers would be another one, whose quality and speed only an engine that has them can show. */
export const cacheProblem = ({ cache, engine }: Scenario): string | undefined =>
  cache === 'int8' && engine !== 'llama.cpp' ? "puzzleflow's decoder has no caches of 8-bit integers" : undefined
