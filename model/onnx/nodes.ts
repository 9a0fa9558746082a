import type { Attribute, Initializer, NodeRecord } from '../../tensor/onnx.js'
import { elementType } from '../../tensor/onnx.js'
import type { DType, TypedArray } from '../../tensor/index.js'
import type { Size } from './sizes.js'

/** Collects the nodes that are computed at run time around a traced graph. Values are referred to by name. */
export class Nodes {
  readonly nodes: NodeRecord[] = []
  readonly constants: Initializer[] = []
  private readonly known = new Map<string, string>()
  private next = 0

  /** Adds a node with one output, unless there is the same node with the same inputs. @returns the name of its output */
  emit(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const key = JSON.stringify([op, inputs, attributes])
    const known = this.known.get(key)
    if (known !== undefined) return known
    const output = this.fresh()
    this.nodes.push({ op, domain: '', inputs, outputs: [output], attributes })
    this.known.set(key, output)
    return output
  }

  /** Gives a value another name. */
  name(output: string, value: string): void {
    this.nodes.push({ op: 'Identity', domain: '', inputs: [value], outputs: [output], attributes: {} })
  }

  ints(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant(BigInt64Array.from(values.map(BigInt)), 'int64', shape)
  }
  float(value: number): string {
    return this.constant(Float32Array.of(value), 'float32', [])
  }
  constant(data: TypedArray, dtype: DType, shape: readonly number[]): string {
    const key = `${dtype}[${shape.join()}]${data.join()}`
    const known = this.known.get(key)
    if (known !== undefined) return known
    const name = this.fresh()
    this.constants.push({ name, dtype, shape, data })
    this.known.set(key, name)
    return name
  }
  cast(value: string, dtype: DType): string {
    return this.emit('Cast', [value], { to: elementType[dtype] })
  }
  /** Size of an axis, int64 [1]. */
  size(value: string, axis: number): string {
    return this.emit('Shape', [value], { start: axis, end: axis + 1 })
  }
  scalar(vector: string): string {
    return this.emit('Reshape', [vector, this.ints([])])
  }
  /** from, from + 1, … below `to`, int64; both bounds are int64 [1]. */
  range(from: string, to: string): string {
    return this.emit('Range', [this.scalar(from), this.scalar(to), this.ints([1], [])])
  }
  unsqueeze(value: string, ...axes: number[]): string {
    return this.emit('Unsqueeze', [value, this.ints(axes)])
  }
  slice(value: string, axis: number, from: string, to: string): string {
    return this.emit('Slice', [value, from, to, this.ints([axis])])
  }
  concat(values: readonly string[], axis: number): string {
    return values.length === 1 ? values[0]! : this.emit('Concat', values, { axis })
  }

  /** A size as int64 [1]. @param of  batch, length and their product, int64 [1] */
  computed(
    { constant, batch, length, tokens }: Size,
    of: { readonly batch: string; readonly length: string; readonly tokens: string },
  ): string {
    const term = (n: number, value: string) =>
      n === 0 ? [] : [n === 1 ? value : this.emit('Mul', [value, this.ints([n])])]
    const terms = [...term(tokens, of.tokens), ...term(batch, of.batch), ...term(length, of.length)]
    if (constant !== 0 || terms.length === 0) terms.push(this.ints([constant]))
    return terms.reduce((sum, one) => this.emit('Add', [sum, one]))
  }

  private fresh(): string {
    return `run_${this.next++}`
  }
}

/** Keeps the nodes that the outputs need, in their order. @returns also the names of all values that they read */
export function needed(
  nodes: readonly NodeRecord[],
  outputs: readonly string[],
): { readonly nodes: NodeRecord[]; readonly values: ReadonlySet<string> } {
  const values = new Set(outputs)
  const kept: NodeRecord[] = []
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => values.has(name))) continue
    kept.push(node)
    for (const name of reads(node)) values.add(name)
  }
  return { nodes: kept.reverse(), values }
}

/** Names that a node reads, including those in the bodies of loops. */
function reads(node: NodeRecord): string[] {
  const bodies = Object.values(node.attributes).flatMap((attribute) =>
    typeof attribute === 'object' && 'graph' in attribute ? attribute.graph().nodes.flatMap(reads) : [],
  )
  return [...node.inputs, ...bodies]
}
