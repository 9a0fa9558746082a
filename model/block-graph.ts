import type { BlockContext, BlockResult, BlockType, JsonObject, LayerFacts, StateShape } from '../api/index.js'
import { Graph, type DType, type Dim, type Value } from '../tensor/index.js'

/** What a graph is built for. */
export interface Chunk {
  readonly batch: number
  readonly length: number
  readonly hasPast: boolean
  readonly wantState: boolean
}

export interface BlockGraph {
  readonly g: Graph
  readonly x: Value
  readonly weights: Readonly<Record<string, Value>>
  readonly result: BlockResult
}

/** Builds a graph of a block type's `forward` alone, for one chunk. Inputs: `x`, `w.NAME`, `cos`, `sin`, `past.NAME`, `mask`,
 *  `mask.NAME`.
 *  @throws whatever `forward` throws */
export function buildBlock(
  type: BlockType,
  facts: LayerFacts,
  params: JsonObject,
  { batch, length, hasPast, wantState }: Chunk,
  dtype: DType = 'float32',
): BlockGraph {
  const g = new Graph()
  const x = g.input('x', dtype, [batch * length, facts.hidden])
  const shapes = Object.entries(type.shapes(facts, params))
  const weights = Object.fromEntries(shapes.map(([name, shape]) => [name, g.input(`w.${name}`, dtype, shape)]))
  const table = (name: string) => g.input(name, dtype, [length, facts.headDim])
  const states = (hasPast && type.state?.(facts, params)) || []
  const past = states.map(
    (shape) => [shape.name, g.input(`past.${shape.name}`, dtype, pastShape(batch, shape))] as const,
  )
  const windowMasks = states.flatMap((shape) => {
    if (shape.kind !== 'window') return []
    return [[shape.name, g.input(`mask.${shape.name}`, dtype, [length, `window${shape.window}`])] as const]
  })
  const context: BlockContext = {
    facts,
    batch,
    length,
    wantState,
    rotary: { cos: table('cos'), sin: table('sin') },
    ...(hasPast && {
      past: Object.fromEntries(past),
      mask: g.input('mask', dtype, ['capacity']),
      windowMasks: Object.fromEntries(windowMasks),
    }),
  }
  return { g, x, weights, result: type.forward(g, x, weights, params, context) }
}

/** Shape of a state before a chunk. The number of slots of per-token state is only known at run time. */
export function pastShape(batch: number, { kind, shape, ...rest }: StateShape): Dim[] {
  if (kind === 'per-sequence') return [batch, ...shape]
  return [batch, shape[0], 'window' in rest ? `window${rest.window}` : 'capacity', shape[1]]
}
