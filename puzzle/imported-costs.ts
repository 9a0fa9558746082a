import { readFile } from 'node:fs/promises'
import type { HeadWeights, Model, Scenario } from '../model/index.js'
import { Failure } from '../api/index.js'
import { sizes, type Cost, type CostTable } from './costs.js'
import { blockSizes, type Part } from './block-timing.js'
import { withoutBlocks } from './made-up.js'
import { entryOf, shown } from '../errors/foreign.js'

const remedy = 'Export it with `npx puzzleflow profile RUN -o FILE` from a run with the same model, space and scenario.'

/** Reads a cost table that was measured elsewhere, and keeps only these variants.
 *  @throws Failure InvalidInput if it is not a cost table, is for another scenario or model, or lacks a variant or a head */
export async function readCostTable(
  path: string,
  model: Model,
  scenario: Scenario,
  parts: readonly Part[],
  heads: readonly HeadWeights[] = [],
): Promise<CostTable> {
  const bad = (message: string) => new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy })
  let table: CostTable
  try {
    table = JSON.parse(await readFile(path, 'utf8')) as CostTable
  } catch (error) {
    throw bad(error instanceof SyntaxError ? `is not JSON: ${error.message}` : (error as Error).message)
  }
  if (table?.version !== 1 || !table.floor || !table.attention || !table.ffn) throw bad('is not a cost table')
  for (const key of ['batch', 'prefill', 'generate', 'engine', 'weights', 'cache'] as const)
    if (table.scenario?.[key] !== scenario[key])
      throw bad(`was measured with ${key} ${shown(table.scenario?.[key])}, not ${shown(scenario[key])}`)
  const check = (what: string, cost: Cost, parameters: number) => {
    for (const name of ['prefillSeconds', 'decodeSeconds', 'memoryBytes', 'parameters'] as const)
      if (!(Number.isFinite(cost[name]) && cost[name] >= 0))
        throw bad(`${what}: ${name} is ${shown(cost[name])}, not a number of at least 0`)
    if (cost.error !== undefined && !(Number.isFinite(cost.error) && cost.error >= 0))
      throw bad(`${what}: error is ${shown(cost.error)}, not a number of at least 0`)
    // Times and bytes depend on the machine; the number of parameters shows whether the model is the same.
    if (cost.parameters !== parameters)
      throw bad(`${what} has ${shown(cost.parameters)} parameters in the table, but ${parameters} in this model`)
  }
  check('the floor', table.floor, sizes(withoutBlocks(model), scenario).parameters)
  for (const head of heads) {
    const cost = entryOf(table.heads ?? {}, head)
    if (!cost) throw bad(`has no costs of a head in ${head}`)
    check(`the head in ${head}`, cost, table.floor.parameters)
  }
  const costs = { attention: {} as Record<string, Cost>, ffn: {} as Record<string, Cost> }
  for (const { slot, variant } of parts) {
    const cost = entryOf(table[slot], variant.id)
    if (!cost) throw bad(`has no costs of ${slot} ${variant.id}`)
    check(`${slot} ${variant.id}`, cost, blockSizes(model, { slot, choice: variant }, scenario).parameters)
    costs[slot][variant.id] = cost
  }
  return { ...table, ...costs }
}
