import type { Attribute, Band, GraphRecord, Initializer, NodeRecord } from '../../tensor/onnx.js'
import type { Dim } from '../../tensor/index.js'
import type { Nodes } from './nodes.js'
import { isConstant, showSize, sizeOf, type Sample, type Size } from './sizes.js'
import type { Trace, WeightPart } from './trace.js'

/** Names of the graph's values for batch, length and their product, int64 [1]. */
export interface RunTimeSizes {
  readonly batch: string
  readonly length: string
  readonly tokens: string
}

export interface General {
  readonly nodes: readonly NodeRecord[]
  readonly constants: readonly Initializer[]
  /** Constants that stand for weights, or parts of them. */
  readonly parts: readonly { readonly tensor: Initializer; readonly part: WeightPart }[]
}

/** Thrown if the traces are not instances of one graph for every batch and length. The message names the first difference. */
export class NotGeneral extends Error {}

/**
 * Makes one graph for any batch and length from graphs for some of them. Block types compute sizes in plain arithmetic, so
 * sizes differ from trace to trace; everything else has to be the same. Each size is assumed to be constant + b * batch +
 * l * length + t * batch * length. The four coefficients follow from the first four traces (`sizeOf`) and are checked against
 * the others. Masks (`Graph.band`) are computed from the length.
 *
 * @throws NotGeneral if the traces differ in anything but sizes, or a size does not fit
 */
export function generalise(traces: readonly Trace[], run: Nodes, sizes: RunTimeSizes): General {
  const [first, ...others] = traces.map(({ record }) => record) as [GraphRecord, ...GraphRecord[]]
  const count = first.initializers.length
  for (const other of others) {
    sameNodes(first.nodes, other.nodes)
    if (other.initializers.length !== count) throw new NotGeneral('the number of constants')
  }
  const samples = (values: readonly number[]): Sample[] =>
    values.map((value, i) => ({ batch: traces[i]!.batch, length: traces[i]!.length, value }))

  const constants: Initializer[] = []
  const parts: { tensor: Initializer; part: WeightPart }[] = []
  for (const [i, own] of first.initializers.entries()) {
    const all = traces.map(({ record }) => record.initializers[i]!)
    if (all.some(({ name, dtype }) => name !== own.name || dtype !== own.dtype))
      throw new NotGeneral(`constant ${own.name}`)
    const part = traces[0]!.parts.get(own.data)
    if (part) {
      const differs = ({ data }: Initializer, n: number) =>
        JSON.stringify(traces[n]!.parts.get(data)) !== JSON.stringify(part)
      if (all.some(differs)) throw new NotGeneral(`weight ${part.weight}`)
      parts.push({ tensor: own, part })
    } else if (own.band) {
      const mask = JSON.stringify(bandKey(own.band))
      if (all.some(({ band }) => !band || JSON.stringify(bandKey(band)) !== mask)) throw new NotGeneral('a mask')
      run.name(own.name, bandAtRunTime(run, own.band, sizes.length))
    } else if (all.every((other) => sameConstant(own, other))) constants.push(own)
    else run.name(own.name, sizesAtRunTime(all, samples, run, sizes))
  }
  const dim = (values: readonly Dim[]): Dim => {
    if (values.every((value) => value === values[0])) return values[0]!
    if (!values.every((value) => typeof value === 'number')) throw new NotGeneral('a size')
    return showSize(fitted(samples(values), 'a size'))
  }
  return {
    nodes: first.nodes.map((node, i) =>
      withSizes(
        node,
        others.map(({ nodes }) => nodes[i]!),
        dim,
      ),
    ),
    constants,
    parts,
  }
}

// JSON cannot represent Infinity.
const bandKey = ({ seen, hidden, window }: Band) => [seen, hidden, String(window)]

const sameConstant = (a: Initializer, b: Initializer): boolean =>
  a.shape.join() === b.shape.join() &&
  a.data.length === b.data.length &&
  a.data.every((value, i) => value === b.data[i])

function fitted(samples: readonly Sample[], what: string): Size {
  const size = sizeOf(samples)
  if (size) return size
  const values = samples.map(({ batch, length, value }) => `${value} at batch ${batch} and length ${length}`)
  throw new NotGeneral(`${what} is ${values.join(', ')}`)
}

/** Computes a constant vector or scalar of sizes at run time. */
function sizesAtRunTime(
  all: readonly Initializer[],
  samples: (values: readonly number[]) => Sample[],
  run: Nodes,
  sizes: RunTimeSizes,
): string {
  const [own] = all as [Initializer]
  if (own.dtype !== 'int64' || own.shape.length > 1 || all.some(({ shape }) => shape.join() !== own.shape.join()))
    throw new NotGeneral(
      `a ${own.dtype} constant [${own.shape.join(', ')}] is made for one length or batch; masks are made by Graph.band, zeros by Graph.zeros`,
    )
  const elements = Array.from({ length: own.data.length }, (_, i) => {
    const size = fitted(samples(all.map(({ data }) => Number(data[i]))), 'a size')
    return isConstant(size) ? run.ints([size.constant]) : run.computed(size, sizes)
  })
  return own.shape.length === 0 ? run.scalar(elements[0]!) : run.concat(elements, 0)
}

/** Computes the mask of `Graph.band` at run time, [length, length]. */
function bandAtRunTime(run: Nodes, { seen, hidden, window }: Band, length: string): string {
  const positions = run.range(run.ints([0]), length)
  const back = run.emit('Sub', [run.unsqueeze(positions, 1), run.unsqueeze(positions, 0)])
  const notAfter = run.emit('GreaterOrEqual', [back, run.ints([0], [])])
  const within =
    window < Infinity ? run.emit('And', [notAfter, run.emit('LessOrEqual', [back, run.ints([window], [])])]) : notAfter
  return run.emit('Where', [within, run.float(seen), run.float(hidden)])
}

const isGraph = (attribute: Attribute | undefined): attribute is { readonly graph: () => GraphRecord } =>
  typeof attribute === 'object' && 'graph' in attribute

/** @throws NotGeneral if operators, names or attributes differ */
function sameNodes(a: readonly NodeRecord[], b: readonly NodeRecord[]): void {
  if (a.length !== b.length) throw new NotGeneral(`the number of operators is ${a.length} and ${b.length}`)
  for (const [i, node] of a.entries()) {
    const other = b[i]!
    const outline = ({ op, domain, inputs, outputs, attributes }: NodeRecord) =>
      JSON.stringify([op, domain, inputs, outputs, attributes])
    if (outline(node) !== outline(other))
      throw new NotGeneral(`operator ${i} is ${outline(node)} and ${outline(other)}`)
    for (const [name, attribute] of Object.entries(node.attributes))
      if (isGraph(attribute))
        sameNodes(attribute.graph().nodes, (other.attributes[name] as typeof attribute).graph().nodes)
  }
}

/** Replaces the sizes in the bodies of a node's loops by those that `dim` returns. */
function withSizes(node: NodeRecord, others: readonly NodeRecord[], dim: (values: readonly Dim[]) => Dim): NodeRecord {
  const bodies = Object.entries(node.attributes).flatMap(([name, attribute]) => {
    if (!isGraph(attribute)) return []
    const graphHere = attribute.graph()
    const rest = others.map(({ attributes }) => (attributes[name] as typeof attribute).graph())
    const shaped = (values: GraphRecord['inputs'], of: (graph: GraphRecord) => GraphRecord['inputs']) =>
      values.map((value, i) => ({
        ...value,
        shape: value.shape.map((d, axis) => dim([d, ...rest.map((graph) => of(graph)[i]!.shape[axis]!)])),
      }))
    const general: GraphRecord = {
      ...graphHere,
      nodes: graphHere.nodes.map((inner, i) =>
        withSizes(
          inner,
          rest.map(({ nodes }) => nodes[i]!),
          dim,
        ),
      ),
      inputs: shaped(graphHere.inputs, ({ inputs }) => inputs),
      outputs: shaped(graphHere.outputs, ({ outputs }) => outputs),
    }
    return [[name, { graph: () => general }] as const]
  })
  return bodies.length === 0 ? node : { ...node, attributes: { ...node.attributes, ...Object.fromEntries(bodies) } }
}
