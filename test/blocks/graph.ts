import { Graph, Session, tensor, type Tensor, type Value } from '../../tensor/index.js'
import type { BlockContext, BlockResult } from '../../plugins/api/index.js'
import { weightsOf, type Case } from './cases.js'
import { angle } from './reference.js'

/** Rotary tables of positions start..start+length-1, [length, headDim] float64, by the reference's angles. */
function tables(headDim: number, start: number, length: number): { cos: Tensor; sin: Tensor } {
  const table = (of: (angle: number) => number) => {
    const row = (t: number) => Array.from({ length: headDim }, (_, i) => of(angle(t, i % (headDim / 2), headDim)))
    const data = Array.from({ length }, (_, t) => row(start + t)).flat()
    return tensor(data, [length, headDim], 'float64')
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

export interface BuiltBlock {
  readonly g: Graph
  readonly x: Value
  readonly weights: Readonly<Record<string, Value>>
  readonly result: BlockResult
}

/** The graph of a case's forward for a chunk, in float64. With `capacity` it goes on from the state before the chunk. */
export function buildBlock(
  c: Case,
  batch: number,
  length: number,
  withPast: boolean,
  wantState = withPast,
): BuiltBlock {
  const { type, facts, params } = c
  const g = new Graph()
  const x = g.input('x', 'float64', [batch * length, facts.hidden])
  const weights = Object.fromEntries(
    Object.entries(type.shapes(facts, params)).map(([name, shape]) => [name, g.input(`w.${name}`, 'float64', shape)]),
  )
  const table = (name: string) => g.input(name, 'float64', [length, facts.headDim])
  const states = (withPast && type.state?.(facts, params)) || []
  const past = Object.fromEntries(
    states.map(({ name, kind, shape }) => {
      if (kind !== 'per-token') throw new Error('only state that grows is built here')
      return [name, g.input(`past.${name}`, 'float64', [batch, shape[0], 'capacity', shape[1]])]
    }),
  )
  const context: BlockContext = {
    facts,
    batch,
    length,
    wantState,
    ...(c.rotary && { rotary: { cos: table('cos'), sin: table('sin') } }),
    ...(withPast && { past, mask: g.input('mask', 'float64', ['capacity']) }),
  }
  return { g, x, weights, result: type.forward(g, x, weights, params, context) }
}

/** A case's weights and rotary tables as feeds. */
export function feedsOf(c: Case, start: number, length: number): Record<string, Tensor> {
  const weights = Object.entries(weightsOf(c)).map(([name, { shape, data }]): [string, Tensor] => [
    `w.${name}`,
    { dtype: 'float64', dims: shape, data },
  ])
  return { ...Object.fromEntries(weights), ...(c.rotary && tables(c.facts.headDim, start, length)) }
}

/** Runs a graph once, as it is: onnxruntime's fusions do not know float64. */
export async function runOnce(g: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await Session.create(g, { optimisation: 'disabled' })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}
