import type { JsonObject } from '../../../api/index.js'
import { Failure } from '../../../errors/failure.js'
import type { Model, Scenario } from '../../../model/index.js'
import { blockSizes, type Part } from '../../../puzzle/block-timing.js'
import { sizes, type Cost } from '../../../puzzle/costs.js'
import { readCostTable } from '../../../puzzle/imported-costs.js'
import { withoutBlocks } from '../../../puzzle/made-up.js'
import type { Problem } from '../../../solver/problem.js'
import { readProblem } from '../../../solver/read-problem.js'
import { jsonText } from '../mutate-json.js'
import { agree, holds, type Files, type Reader } from '../reader.js'

const option = (id: string, score: number, memory: number, more: object = {}): object => ({
  ...{ id, score, costs: { memory, runtime: memory / 5 }, ...more },
})
const problems: readonly object[] = [
  {
    layers: Array.from({ length: 3 }, (_, i) => ({
      options: [option(`a${i}`, 0, 10), option(`b${i}`, 0.5, 5, { requires: [] })],
    })),
    limits: [{ cost: 'memory', max: 25 }],
    solutions: 2,
    minimumDifference: 0.2,
  },
  {
    layers: [
      { options: [option('a', 0, 10), option('run', 0.4, 3, { span: 2 })] },
      { options: [option('a', 0, 10), option('b', 0.1, 5, { requires: [{ layer: 0, option: 'a' }] })] },
    ],
    limits: [
      { cost: 'runtime', max: 3.5 },
      { cost: 'memory', max: 1e9 },
    ],
  },
]

/** What the solver relies on. */
function checkProblem(problem: Problem): void {
  const numbers: number[] = (problem.limits ?? []).map(({ max }) => max)
  for (const [i, { options }] of problem.layers.entries()) {
    holds(options.length > 0 && new Set(options.map(({ id }) => id)).size === options.length, 'ids within a layer')
    for (const { score, costs, span = 1, requires = [] } of options) {
      numbers.push(score, ...Object.values(costs))
      holds(Number.isInteger(span) && span >= 1 && i + span <= problem.layers.length, `a run of ${span} layers`)
      for (const { cost } of problem.limits ?? []) holds(Object.hasOwn(costs, cost), `the cost ${cost} of each option`)
      for (const { layer, option } of requires)
        holds(problem.layers[layer]?.options.some(({ id }) => id === option) === true, 'what an option requires')
    }
  }
  holds(
    numbers.every((number) => Number.isFinite(number) && Math.abs(number) <= 1e150),
    'numbers that can be added',
  )
}

const scenario: Scenario = { batch: 1, prefill: 8, generate: 8, weights: 'float32', cache: 'float32' }

/** A few distinct blocks of a model. */
const partsOf = (model: Model): readonly Part[] =>
  (['attention', 'ffn'] as const).flatMap((slot) =>
    [model.config.blocks[0]![slot], { block: 'no-op', params: {} }].map(({ block, params }) => ({
      slot,
      variant: { id: block, block, params, empty: block === 'no-op', own: false },
    })),
  )

/** Readers of problems and cost tables. */
export function numberReaders(files: Files, model: Model): readonly Reader[] {
  const parts = partsOf(model)
  const costOf = (slot: Part['slot']) =>
    Object.fromEntries(
      parts
        .filter((part) => part.slot === slot)
        .map(({ variant }) => [
          variant.id,
          {
            prefillSeconds: 0.5,
            decodeSeconds: 1e-3,
            error: 1e-5,
            ...blockSizes(model, { slot, choice: variant }, scenario),
          },
        ]),
    )
  const table = {
    ...{ version: 1, fingerprint: { threads: 2 }, scenario },
    floor: { prefillSeconds: 1, decodeSeconds: 1, ...sizes(withoutBlocks(model), scenario) },
    ...{ attention: costOf('attention'), ffn: costOf('ffn') },
  }
  return [
    {
      name: 'problems',
      make(c) {
        const text = jsonText(c.of(problems), c)
        return {
          bytes: Buffer.byteLength(text),
          read() {
            const problem = readProblem(parsed(text))
            checkProblem(problem)
            agree(readProblem(JSON.parse(JSON.stringify(problem))), problem, 'the same problem, written again')
          },
        }
      },
    },
    {
      name: 'cost tables',
      make(c) {
        const { path, bytes } = files.write('costs.json', jsonText(table, c))
        return {
          bytes,
          async read() {
            const read = await readCostTable(path, model, scenario, parts)
            const check = ({ prefillSeconds, decodeSeconds, memoryBytes, parameters, error = 0 }: Cost) => {
              for (const value of [prefillSeconds, decodeSeconds, memoryBytes, parameters, error])
                holds(typeof value === 'number' && Number.isFinite(value) && value >= 0, `a cost of ${String(value)}`)
            }
            check(read.floor)
            for (const { slot, variant } of parts) check(read[slot][variant.id]!)
          },
        }
      },
    },
  ]
}

/** As a command reads a file. */
function parsed(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject
  } catch (error) {
    throw new Failure('InvalidInput', (error as Error).message)
  }
}
