import { elements } from '../../tensor/index.js'
import type { LayerStatistics, Weights } from '../../api/index.js'
import { differingBits } from './noise.js'
import type { Measure } from './report.js'
import { statisticsOf, type Subject } from './subject.js'

/** Checks initial weights with complete statistics and without any. */
export async function checkInitialise(subject: Subject): Promise<Measure[]> {
  const cases: [string, LayerStatistics][] = [
    ['with statistics', statisticsOf(subject)],
    ['without statistics', {}],
  ]
  const measures: Measure[] = []
  for (const [how, statistics] of cases) measures.push(...(await check(subject, how, statistics)))
  return measures
}

async function check(
  { type, facts, params, parent }: Subject,
  how: string,
  statistics: LayerStatistics,
): Promise<Measure[]> {
  const { weights } = await parent.weights(type.slot)
  const copy = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, { ...w, data: w.data.slice() }]))
  const first = copied(await type.initialise(weights, facts, params, statistics))
  const second = await type.initialise(weights, facts, params, statistics)
  const shapes = type.shapes(facts, params)
  const names = new Set([...Object.keys(shapes), ...Object.keys(first)])
  const wrong = [...names].filter((name) => {
    const [shape, weight] = [shapes[name], first[name]]
    return shape?.join() !== weight?.shape.join() || weight?.data.length !== elements(shape ?? [0])
  })
  const bits = (a: Weights, b: Weights) =>
    Object.keys(a).reduce((n, name) => n + differingBits(a[name]!.data, b[name]?.data ?? new Float32Array(0)), 0)
  const finite = Object.values(first).reduce((n, { data }) => n + data.filter((v) => !Number.isFinite(v)).length, 0)
  const listed = wrong.map(
    (name) =>
      `${name} is [${first[name]?.shape.join(', ') ?? 'missing'}], declared [${shapes[name]?.join(', ') ?? 'missing'}]`,
  )
  return [
    {
      what: `${how}, weights have the declared names and shapes${listed.length > 0 ? ` (${listed.join('; ')})` : ''}`,
      figure: wrong.length,
      allowed: 0,
    },
    { what: `${how}, all weights are finite`, figure: finite, allowed: 0 },
    { what: `${how}, a second call gives the same bits`, figure: bits(first, second), allowed: 0 },
    { what: `${how}, the parent’s weights are unchanged`, figure: bits(copy, weights), allowed: 0 },
  ]
}

const copied = (weights: Weights): Weights =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, { shape: [...shape], data: data.slice() }]),
  )
