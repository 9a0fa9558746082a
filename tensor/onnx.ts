/** Serialises graphs as ONNX models (protobuf, onnx.proto3): opset 21, IR version 10. */
import protobuf from 'protobufjs/minimal.js'
import type { DType, Shape, TypedArray } from './types.js'

/** One operation. */
export interface NodeRecord {
  readonly op: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Readonly<Record<string, Attribute>>
}
/** Attribute values: numbers are integers unless wrapped as `{ float }`. */
export type Attribute =
  number | string | readonly number[] | { readonly float: number } | { readonly graph: () => GraphRecord }

/** Name, type and shape of a value. */
export interface ValueRecord {
  readonly name: string
  readonly dtype: DType
  readonly shape: Shape
}
/** An attention mask: `seen` where a token attends to itself or one of the `window` tokens before it, `hidden` elsewhere. */
export interface Band {
  readonly seen: number
  readonly hidden: number
  readonly window: number
}
/** A constant. */
export interface Initializer extends ValueRecord {
  readonly data: TypedArray
  /** Present if the constant is an attention mask made by `band`. */
  readonly band?: Band
}
/** A graph, or the body of a loop. */
export interface GraphRecord {
  readonly name: string
  readonly nodes: readonly NodeRecord[]
  readonly initializers: readonly Initializer[]
  readonly inputs: readonly ValueRecord[]
  readonly outputs: readonly ValueRecord[]
}

/** ONNX's codes for the types. */
export const elementType: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
}

type Writer = protobuf.Writer
const message = (w: Writer, field: number, write: (w: Writer) => void) => {
  w.uint32((field << 3) | 2).fork()
  write(w)
  w.ldelim()
}
const text = (w: Writer, field: number, value: string) => w.uint32((field << 3) | 2).string(value)
const int = (w: Writer, field: number, value: number) => w.uint32(field << 3).int64(value)

function writeValue(w: Writer, value: ValueRecord): void {
  text(w, 1, value.name)
  message(w, 2, (type) =>
    message(type, 1, (tensor) => {
      int(tensor, 1, elementType[value.dtype])
      message(tensor, 2, (shape) => {
        for (const dim of value.shape)
          message(shape, 1, (d) => {
            if (typeof dim === 'number') int(d, 1, dim)
            else text(d, 2, dim)
          })
      })
    }),
  )
}

function writeTensorHead(w: Writer, tensor: ValueRecord): void {
  for (const dim of tensor.shape) int(w, 1, Number(dim))
  int(w, 2, elementType[tensor.dtype])
  text(w, 8, tensor.name)
}

function writeTensor(w: Writer, tensor: Initializer): void {
  writeTensorHead(w, tensor)
  const { buffer, byteOffset, byteLength } = tensor.data
  w.uint32((9 << 3) | 2).bytes(new Uint8Array(buffer, byteOffset, byteLength))
}

function writeAttribute(w: Writer, name: string, value: Attribute): void {
  text(w, 1, name)
  if (typeof value === 'number') {
    int(w, 3, value)
    int(w, 20, 2)
  } else if (typeof value === 'string') {
    text(w, 4, value)
    int(w, 20, 3)
  } else if (Array.isArray(value)) {
    for (const item of value as readonly number[]) int(w, 8, item)
    int(w, 20, 7)
  } else if ('float' in value) {
    w.uint32((2 << 3) | 5).float(value.float)
    int(w, 20, 1)
  } else if ('graph' in value) {
    message(w, 6, (g) => writeGraph(g, value.graph()))
    int(w, 20, 5)
  }
}

function writeGraph(w: Writer, graph: GraphRecord): void {
  for (const node of graph.nodes)
    message(w, 1, (n) => {
      for (const name of node.inputs) text(n, 1, name)
      for (const name of node.outputs) text(n, 2, name)
      text(n, 4, node.op)
      for (const [name, value] of Object.entries(node.attributes)) message(n, 5, (a) => writeAttribute(a, name, value))
      if (node.domain !== '') text(n, 7, node.domain)
    })
  text(w, 2, graph.name)
  for (const initializer of graph.initializers) message(w, 5, (t) => writeTensor(t, initializer))
  for (const input of graph.inputs) message(w, 11, (v) => writeValue(v, input))
  for (const output of graph.outputs) message(w, 12, (v) => writeValue(v, output))
}

/** Serialises a model. */
export function encodeModel(graph: GraphRecord): Uint8Array {
  const w = protobuf.Writer.create()
  writeModelHead(w, ['com.microsoft'])
  message(w, 7, (g) => writeGraph(g, graph))
  return w.finish()
}

function writeModelHead(w: Writer, domains: readonly string[]): void {
  int(w, 1, 10)
  text(w, 2, 'puzzleflow')
  for (const domain of ['', ...domains])
    message(w, 8, (o) => {
      if (domain !== '') text(o, 1, domain)
      int(o, 2, domain === '' ? 21 : 1)
    })
}

/** Where the bytes of a large constant are: inside the model, right after its header, or at an offset in a separate file. */
export type LateData =
  { readonly bytes: number } | { readonly file: string; readonly offset: number; readonly bytes: number }

/**
 * Serialises a model whose largest constants are not in memory: everything before, between and after their bytes.
 *
 * @param late  constants in addition to `graph.initializers`
 * @returns the pieces; data inside the model follows the piece whose index is one higher than its own
 */
export function encodeAround(
  graph: GraphRecord,
  domains: readonly string[],
  late: readonly { readonly tensor: ValueRecord; readonly data: LateData }[],
): { readonly pieces: readonly Uint8Array[]; readonly bytes: number } {
  const body = protobuf.Writer.create()
  writeGraph(body, graph)
  const start = body.finish()
  const heads = late.map(({ tensor, data }) => {
    const w = protobuf.Writer.create()
    writeTensorHead(w, tensor)
    if ('file' in data) {
      for (const [key, value] of [
        ['location', data.file],
        ['offset', String(data.offset)],
        ['length', String(data.bytes)],
      ] as const)
        message(w, 13, (entry) => {
          text(entry, 1, key)
          text(entry, 2, value)
        })
      int(w, 14, 1)
    } else w.uint32((9 << 3) | 2).uint32(data.bytes)
    const head = w.finish()
    const within = 'file' in data ? 0 : data.bytes
    const outer = protobuf.Writer.create()
      .uint32((5 << 3) | 2)
      .uint32(head.length + within)
      .finish()
    return { piece: Buffer.concat([outer, head]), within }
  })
  const size = heads.reduce((n, { piece, within }) => n + piece.length + within, start.length)
  const w = protobuf.Writer.create()
  writeModelHead(w, domains)
  w.uint32((7 << 3) | 2).uint32(size)
  const first = Buffer.concat([w.finish(), start])
  return { pieces: [first, ...heads.map(({ piece }) => piece)], bytes: first.length + size - start.length }
}
