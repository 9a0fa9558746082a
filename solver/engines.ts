import { createGlpk } from './glpk.js'
import { createHighs } from './highs.js'
import type { Engine } from './model.js'

/** Both engines, in the order in which they are asked. */
export interface Engines {
  readonly all: readonly Engine[]
  /** Errors that engines threw. An engine that threw answers `unknown` from then on. */
  readonly failures: readonly string[]
}

// Engines never free their memory, so creating many of them exhausts it: one of each per thread.
let loaded: Promise<readonly Engine[]> | undefined

/** Returns this thread's engines, and recreates them after a crash. */
export async function loadEngines(): Promise<Engines> {
  loaded ??= Promise.all([createGlpk(), createHighs()])
  const failures: string[] = []
  const fail = (message: string) => {
    failures.push(message)
    loaded = undefined
  }
  return { all: (await loaded).map((engine) => guard(engine, fail)), failures }
}

/** Contains a crash of one engine, such as WebAssembly running out of memory, so that the other can still answer. */
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
