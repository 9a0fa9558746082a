import { createGlpk } from './glpk.js'
import { createHighs } from './highs.js'
import type { Engine } from './model.js'

/** Both engines, in the order they are asked. */
export interface Engines {
  readonly all: readonly Engine[]
  /** What engines threw. One that did answers `unknown` from then on. */
  readonly failures: readonly string[]
}

// Engines keep their memory for ever, and making many of them ends in "out of memory": one of each a thread.
let loaded: Promise<readonly Engine[]> | undefined

/** The engines of this thread; new ones when one of them crashed before. */
export async function loadEngines(): Promise<Engines> {
  loaded ??= Promise.all([createGlpk(), createHighs()])
  const failures: string[] = []
  const fail = (message: string) => {
    failures.push(message)
    loaded = undefined
  }
  return { all: (await loaded).map((engine) => guard(engine, fail)), failures }
}

/** A crash of one engine (WebAssembly runs out of memory, for instance) must not cost what the other can answer. */
function guard(engine: Engine, fail: (message: string) => void): Engine {
  let broken = false
  const attempt = <T>(call: () => T, otherwise: T): T => {
    if (broken) return otherwise
    try {
      return call()
    } catch (error) {
      broken = true
      fail(`${engine.name}: ${error instanceof Error ? error.message : String(error)}`)
      return otherwise
    }
  }
  return {
    name: engine.name,
    relax: (model, seconds) =>
      attempt(() => engine.relax(model, seconds), {
        status: 'unknown',
        multipliers: new Float64Array(model.rows.length),
      }),
    solve: (model, gap, seconds) =>
      attempt(() => engine.solve(model, gap, seconds), { status: 'unknown', bound: -Infinity }),
  }
}
