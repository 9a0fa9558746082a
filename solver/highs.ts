import loadHighs, { type Highs, type ModelData } from 'highs'
import { readChoice, type Engine, type LpAnswer, type MipAnswer, type Model } from './model.js'

/** Creates an engine from HiGHS: slower than glpk.js on easy problems, more robust on ties. */
export async function createHighs(): Promise<Engine> {
  // The package's types describe a CommonJS module; at run time the default export is the loader.
  // eslint-disable-next-line no-restricted-syntax
  const highs = await (loadHighs as unknown as () => Promise<Highs>)()
  return {
    name: 'highs',
    relax: (model, seconds) => relax(highs, model, seconds),
    solve: (model, gap, seconds) => solve(highs, model, gap, seconds),
  }
}

function relax(highs: Highs, model: Model, seconds: number): LpAnswer {
  return highs.withModel(toData(highs, model, false), (instance): LpAnswer => {
    instance.options.set({ output_flag: false, time_limit: seconds })
    const multipliers = new Float64Array(model.rows.length)
    const { modelStatus } = instance.run()
    const status = highs.constants.modelStatus
    if (modelStatus === status.infeasible || modelStatus === status.unboundedOrInfeasible)
      return { status: 'infeasible', multipliers }
    if (modelStatus !== status.optimal) return { status: 'unknown', multipliers }
    const { rowDual } = instance.getSolution()
    for (let r = 0; r < multipliers.length; r++) multipliers[r] = Math.max(0, -rowDual[r]!)
    return { status: 'optimal', multipliers }
  })
}

function solve(highs: Highs, model: Model, gap: number, seconds: number): MipAnswer {
  return highs.withModel(toData(highs, model, true), (instance): MipAnswer => {
    instance.options.set({ output_flag: false, time_limit: seconds, mip_rel_gap: gap, random_seed: 1 })
    const { modelStatus } = instance.run()
    const status = highs.constants.modelStatus
    // Every column is bounded, so "unbounded or infeasible" is infeasible.
    if (modelStatus === status.infeasible || modelStatus === status.unboundedOrInfeasible)
      return { status: 'infeasible', bound: Infinity }
    const bound = Number(instance.info.get('mip_dual_bound'))
    const proven = Number.isFinite(bound) ? bound : -Infinity
    const isFeasible = instance.info.get('primal_solution_status') === highs.constants.solutionStatus.feasible
    const values = isFeasible ? instance.getSolution().colValue : undefined
    const chosen = values && readChoice(model, (column) => values[column]!)
    if (!chosen) return { status: 'unknown', bound: proven }
    return { status: modelStatus === status.optimal ? 'proved' : 'feasible', chosen, bound: proven }
  })
}

function toData(highs: Highs, model: Model, integer: boolean): ModelData {
  const columns = model.columns.length
  const layers = model.offsets.length - 1
  const starts = [0]
  const indices: number[] = []
  const values: number[] = []
  for (const row of model.rows) {
    indices.push(...row.columns)
    values.push(...row.values)
    starts.push(indices.length)
  }
  for (let i = 0; i < layers; i++) {
    for (let c = model.offsets[i]!; c < model.offsets[i + 1]!; c++) {
      indices.push(c)
      values.push(1)
    }
    starts.push(indices.length)
  }
  const numRows = model.rows.length + layers
  return {
    numCols: columns,
    numRows,
    colCost: model.objective,
    colLower: new Float64Array(columns),
    colUpper: new Float64Array(columns).fill(1),
    rowLower: [...model.rows.map(() => -highs.infinity), ...new Array<number>(layers).fill(1)],
    rowUpper: [...model.rows.map((row) => row.upper), ...new Array<number>(layers).fill(1)],
    matrix: { format: 'csr', numRows, numCols: columns, starts, indices, values },
    ...(integer ? { integrality: new Int32Array(columns).fill(highs.constants.variableType.integer) } : {}),
  }
}
