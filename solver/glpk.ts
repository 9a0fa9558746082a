import loadGlpk, { type GLPK, type LP } from 'glpk.js/node'
import { readChoice, type Engine, type LpAnswer, type MipAnswer, type Model } from './model.js'

/** GLPK's tolerance: a completed search proves its optimum up to this, relative to 1 + |objective|. */
const searchTolerance = 1e-7

/** Creates an engine from glpk.js. One instance serves all solves, because its memory is never freed. */
export async function createGlpk(): Promise<Engine> {
  const glpk = await loadGlpk()
  return {
    name: 'glpk',
    relax: (model, seconds) => relax(glpk, model, seconds),
    solve: (model, gap, seconds) => solve(glpk, model, gap, seconds),
  }
}

function relax(glpk: GLPK, model: Model, seconds: number): LpAnswer {
  const multipliers = new Float64Array(model.rows.length)
  // With the presolver, an infeasible LP would have the same status as one that ran out of time.
  const { result } = glpk.solve(toLp(glpk, model, false), { presol: false, msglev: 0, tmlim: limit(seconds) })
  if (result.status === glpk.GLP_NOFEAS) return { status: 'infeasible', multipliers }
  if (result.status !== glpk.GLP_OPT || !result.dual) return { status: 'unknown', multipliers }
  for (let r = 0; r < multipliers.length; r++) multipliers[r] = Math.max(0, -(result.dual[`r${r}`] ?? 0))
  return { status: 'optimal', multipliers }
}

function solve(glpk: GLPK, model: Model, gap: number, seconds: number): MipAnswer {
  const time = limit(seconds)
  const start = performance.now()
  const { result } = glpk.solve(toLp(glpk, model, true), { presol: true, msglev: 0, tmlim: time, mipgap: gap })
  const elapsed = (performance.now() - start) / 1000
  if (result.status === glpk.GLP_NOFEAS) return { status: 'infeasible', bound: Infinity }
  if (result.status !== glpk.GLP_OPT && result.status !== glpk.GLP_FEAS) return { status: 'unknown', bound: -Infinity }
  const chosen = readChoice(model, (column) => result.vars[`x${column}`] ?? 0)
  if (!chosen) return { status: 'unknown', bound: -Infinity }
  const objective = chosen.reduce((sum, column) => sum + model.objective[column]!, 0)
  if (result.status === glpk.GLP_OPT)
    return { status: 'proved', chosen, bound: objective - searchTolerance * (1 + Math.abs(objective)) }
  // GLP_FEAS means "gap reached" or "out of time". Only the clock distinguishes them; a close call counts as the latter.
  if (elapsed > time * 0.9) return { status: 'feasible', chosen, bound: -Infinity }
  return { status: 'proved', chosen, bound: objective - gap * Math.abs(objective) }
}

function toLp(glpk: GLPK, model: Model, integer: boolean): LP {
  const names = Array.from(model.columns, (_, column) => `x${column}`)
  const unbounded = { type: glpk.GLP_UP, lb: 0 }
  return {
    name: 'selection',
    objective: {
      direction: glpk.GLP_MIN,
      name: 'score',
      vars: names.map((name, column) => ({ name, coef: model.objective[column]! })),
    },
    subjectTo: [
      ...model.rows.map((row, r) => ({
        name: `r${r}`,
        vars: row.columns.map((column, n) => ({ name: names[column]!, coef: row.values[n]! })),
        bnds: { ...unbounded, ub: row.upper },
      })),
      ...Array.from({ length: model.offsets.length - 1 }, (_, i) => ({
        name: `one${i}`,
        vars: names.slice(model.offsets[i], model.offsets[i + 1]).map((name) => ({ name, coef: 1 })),
        bnds: { type: glpk.GLP_FX, lb: 1, ub: 1 },
      })),
    ],
    ...(integer ? { binaries: names } : {}),
  }
}

/** A time limit for GLPK, which stores milliseconds in 32 bits. */
const limit = (seconds: number) => Math.min(Math.max(seconds, 0.05), 1e6)
