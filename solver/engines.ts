import { createLabels } from './labels.js'
import type { Engine } from './model.js'
import type { EngineName } from './result.js'

/** All engines, in the order in which they are asked. */
export interface Engines {
  readonly all: readonly Engine[]
  /** Errors that engines threw. An engine that threw answers `unknown` from then on. */
  readonly failures: readonly string[]
}

const makers: Readonly<Record<EngineName, () => Engine | Promise<Engine>>> = {
  labels: createLabels,
  glpk: async () => (await import('./glpk.js')).createGlpk(),
  highs: async () => (await import('./highs.js')).createHighs(),
}

// Engines never free their memory, so creating many of them exhausts it: one of each per thread.
const loaded = new Map<EngineName, Promise<Engine>>()

/** Returns this thread's engines. Each is loaded when it is first asked, and again after a crash. */
export function openEngines(): Engines {
  const failures: string[] = []
  const names = Object.keys(makers) as EngineName[]
  return { all: names.map((name) => guard(name, (message) => failures.push(message))), failures }
}

/** Contains a crash of one engine, such as WebAssembly running out of memory, so that the others can still answer. */
function guard(name: EngineName, fail: (message: string) => void): Engine {
  let broken = false
  const attempt = async <T>(call: (engine: Engine) => T | Promise<T>, otherwise: T): Promise<T> => {
    if (broken) return otherwise
    try {
      let engine = loaded.get(name)
      if (!engine) loaded.set(name, (engine = Promise.resolve(makers[name]())))
      return await call(await engine)
    } catch (error) {
      broken = true
      loaded.delete(name)
      fail(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      return otherwise
    }
  }
  return {
    name,
    relax: (model, seconds) =>
      attempt((engine) => engine.relax(model, seconds), {
        status: 'unknown',
        multipliers: new Float64Array(model.rows.length),
      }),
    solve: (model, gap, seconds) =>
      attempt((engine) => engine.solve(model, gap, seconds), { status: 'unknown', bound: -Infinity }),
  }
}
