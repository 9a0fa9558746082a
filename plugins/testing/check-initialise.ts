import { elements } from '../../tensor/index.js'
import type { LayerStatistics, Weights } from '../api/index.js'
import { differingBits } from './noise.js'
import type { Measure } from './report.js'
import { statisticsOf, type Subject } from './subject.js'

/** Initial weights with all that calibration tells, and with nothing. */
export async function checkInitialise(subject: Subject): Promise<Measure[]> {
  const known: [string, LayerStatistics][] = [
    ['with statistics', statisticsOf(subject)],
    ['without statistics', {}],
  ]
  const measures: Measure[] = []
  for (const [how, statistics] of known) measures.push(...(await check(subject, how, statistics)))
  return measures
}

async function check(
  { type, facts, params, parent }: Subject,
  how: string,
  statistics: LayerStatistics,
): Promise<Measure[]> {
  const { own } = await parent.weights(type.slot)
  const copy = Object.fromEntries(Object.entries(own).map(([name, w]) => [name, { ...w, data: w.data.slice() }]))
  const first = copied(await type.initialise(own, facts, params, statistics))
  const second = await type.initialise(own, facts, params, statistics)
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
    (name) => ` ${name}: [${first[name]?.shape.join(', ') ?? 'none'}] for [${shapes[name]?.join(', ') ?? 'none'}]`,
  )
  return [
    { what: `${how} the weights have the names and shapes declared${listed.join()}`, figure: wrong.length, allowed: 0 },
    { what: `${how} all weights are finite`, figure: finite, allowed: 0 },
    { what: `${how} the same bits come out a second time`, figure: bits(first, second), allowed: 0 },
    { what: `${how} the parent’s weights stay as they are`, figure: bits(copy, own), allowed: 0 },
  ]
}

const copied = (weights: Weights): Weights =>
  Object.fromEntries(
    Object.entries(weights).map(([name, { shape, data }]) => [name, { shape: [...shape], data: data.slice() }]),
  )
