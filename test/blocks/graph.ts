import { Graph, Session, tensor, type Tensor } from '../../tensor/index.js'
import type { BlockContext, BlockResult } from '../../api/index.js'
import { weightsOf, type Case } from './cases.js'
import { angle } from './reference.js'

/** Rotary tables of the positions 0..length-1 with the reference's angles, float64 [length, headDim]. */
function tables(headDim: number, length: number): { cos: Tensor; sin: Tensor } {
  const table = (f: (angle: number) => number) => {
    const row = (t: number) => Array.from({ length: headDim }, (_, i) => f(angle(t, i % (headDim / 2), headDim)))
    const data = Array.from({ length }, (_, t) => row(t)).flat()
    return tensor(data, [length, headDim], 'float64')
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

export interface BuiltBlock {
  readonly g: Graph
  readonly result: BlockResult
}

/** Builds the graph of a case's `forward` for whole sequences, in float64. */
export function buildBlock({ type, facts, params, rotary }: Case, batch: number, length: number): BuiltBlock {
  const g = new Graph()
  const x = g.input('x', 'float64', [batch * length, facts.hidden])
  const weights = Object.fromEntries(
    Object.entries(type.shapes(facts, params)).map(([name, shape]) => [name, g.input(`w.${name}`, 'float64', shape)]),
  )
  const table = (name: string) => g.input(name, 'float64', [length, facts.headDim])
  const context: BlockContext = {
    facts,
    batch,
    length,
    wantState: false,
    ...(rotary && { rotary: { cos: table('cos'), sin: table('sin') } }),
  }
  return { g, result: type.forward(g, x, weights, params, context) }
}

/** A case's weights and rotary tables as feeds. */
export function feedsOf(c: Case, length: number): Record<string, Tensor> {
  const weights = Object.entries(weightsOf(c)).map(([name, { shape, data }]): [string, Tensor] => [
    `w.${name}`,
    { dtype: 'float64', dims: shape, data },
  ])
  return { ...Object.fromEntries(weights), ...(c.rotary && tables(c.facts.headDim, length)) }
}

/** Runs a graph once, not optimised, because onnxruntime's fusions do not support float64. */
export async function runOnce(g: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await Session.create(g, { optimisation: 'disabled' })
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}
