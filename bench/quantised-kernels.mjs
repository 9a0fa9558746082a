// Which of onnxruntime's kernels should int8 weights use? Compares them on one matrix product.
//   npm run build && node bench/quantised-kernels.mjs [IN OUT]
// Reports for each kernel: time relative to float32 in the same round (median), error relative to a float64 product with the
// unquantised matrix, and how much the result of a row changes when other rows are present. Every other row is fifty times
// larger, which reveals a scale of activations that all rows share.
import { encodeModel } from '../dist/tensor/onnx.js'
import { Session } from '../dist/tensor/index.js'

const [inner, outer] = process.argv.length > 3 ? process.argv.slice(2).map(Number) : [512, 1376]
const block = 32
let seed = 1
const uniform = () => ((seed = (seed * 1664525 + 1013904223) >>> 0) + 0.5) / 2 ** 32
const noise = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
const weights = Float32Array.from({ length: inner * outer }, () => noise() * 0.05)

/** Symmetric quantisation in blocks of `size` inputs, column by column: q = round(w / s) + 2^(bits-1). */
function quantised(bits, size) {
  const half = 2 ** (bits - 1)
  const blocks = Math.ceil(inner / size)
  const scales = new Float32Array(outer * blocks)
  const q = new Uint8Array(outer * blocks * size).fill(half)
  for (let n = 0; n < outer; n++)
    for (let b = 0; b < blocks; b++) {
      let extreme = 0
      const end = Math.min(inner, (b + 1) * size)
      for (let k = b * size; k < end; k++)
        if (Math.abs(weights[k * outer + n]) > Math.abs(extreme)) extreme = weights[k * outer + n]
      const s = (scales[n * blocks + b] = -extreme / half)
      for (let k = b * size; k < end; k++)
        q[n * blocks * size + k] = Math.max(0, Math.min(2 * half - 1, Math.round(weights[k * outer + n] / s) + half))
    }
  return { scales, q, blocks }
}

const node = (op, inputs, outputs, attributes = {}, domain = '') => ({ op, domain, inputs, outputs, attributes })
const constant = (name, dtype, shape, data) => ({ name, dtype, shape, data })

function nbits(bits) {
  const { scales, q, blocks } = quantised(bits, block)
  const packed = bits === 8 ? q : Uint8Array.from({ length: q.length / 2 }, (_, i) => q[2 * i] | (q[2 * i + 1] << 4))
  return {
    nodes: [
      node(
        'MatMulNBits',
        ['x', 'b', 's'],
        ['y'],
        { K: inner, N: outer, bits, block_size: block, accuracy_level: 4 },
        'com.microsoft',
      ),
    ],
    initializers: [
      constant('b', 'uint8', [outer, blocks, (block * bits) / 8], packed),
      constant('s', 'float32', [outer, blocks], scales),
    ],
  }
}

/** Quantisation of [in, out] with one scale per column; uint8 with zero point 128. */
function columns() {
  const { scales, q } = quantised(8, inner)
  const b = new Uint8Array(inner * outer)
  for (let n = 0; n < outer; n++) for (let k = 0; k < inner; k++) b[k * outer + n] = q[n * inner + k]
  return [
    constant('b', 'uint8', [inner, outer], b),
    constant('s', 'float32', [outer], scales),
    constant('z', 'uint8', [outer], new Uint8Array(outer).fill(128)),
  ]
}

const kernels = {
  float32: {
    nodes: [node('MatMul', ['x', 'b'], ['y'])],
    initializers: [constant('b', 'float32', [inner, outer], weights)],
  },
  'MatMulNBits 4': nbits(4),
  'MatMulNBits 8': nbits(8),
  DynamicQuantizeMatMul: {
    nodes: [node('DynamicQuantizeMatMul', ['x', 'b', 's', 'z'], ['y'], {}, 'com.microsoft')],
    initializers: columns(),
  },
  'one scale per row': {
    nodes: [
      node('Abs', ['x'], ['abs']),
      node('ReduceMax', ['abs', 'axes'], ['most']),
      node('Max', ['most', 'tiny'], ['most2']),
      node('Div', ['x', 'most2'], ['unit']),
      node('QuantizeLinear', ['unit', 'step', 'middle'], ['qx']),
      node('MatMulIntegerToFloat', ['qx', 'b', 'step', 's', 'middle', 'z'], ['yy'], {}, 'com.microsoft'),
      node('Mul', ['yy', 'most2'], ['y']),
    ],
    initializers: [
      ...columns(),
      constant('axes', 'int64', [1], BigInt64Array.of(1n)),
      constant('tiny', 'float32', [], Float32Array.of(1e-30)),
      constant('step', 'float32', [], Float32Array.of(1 / 127)),
      constant('middle', 'uint8', [], Uint8Array.of(128)),
    ],
  },
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
for (const rows of [1, 16, 256]) {
  const x = Float32Array.from({ length: 16 * inner }, (_, i) => noise() * (Math.floor(i / inner) % 2 ? 50 : 1))
  const input = new Float32Array(rows * inner)
  for (let i = 0; i < input.length; i++) input[i] = x[i % x.length]
  const feeds = { x: { dtype: 'float32', dims: [rows, inner], data: input } }
  const sessions = {}
  for (const [name, { nodes, initializers }] of Object.entries(kernels)) {
    const graph = {
      name: 'product',
      nodes,
      initializers,
      inputs: [{ name: 'x', dtype: 'float32', shape: ['rows', inner] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['rows', outer] }],
    }
    sessions[name] = await Session.create(encodeModel(graph))
  }
  const times = Object.fromEntries(Object.keys(kernels).map((name) => [name, []]))
  const inside = rows === 1 ? 20 : rows === 16 ? 8 : 1
  for (let round = 0; round < 41; round++)
    for (const [name, session] of Object.entries(sessions)) {
      const begin = performance.now()
      for (let i = 0; i < inside; i++) await session.run(feeds)
      if (round > 0) times[name].push((performance.now() - begin) / inside)
    }
  // The exact result of the first row.
  const exact = Float64Array.from({ length: outer }, (_, n) => {
    let sum = 0
    for (let k = 0; k < inner; k++) sum += input[k] * weights[k * outer + n]
    return sum
  })
  const norm = Math.sqrt(exact.reduce((a, v) => a + v * v, 0))
  const distance = (a, b) => Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0)) / norm
  for (const [name, session] of Object.entries(sessions)) {
    const row = (await session.run(feeds)).y.data.slice(0, outer)
    const alone = (await session.run({ x: { dtype: 'float32', dims: [1, inner], data: input.slice(0, inner) } })).y.data
    const ratio = median(times[name].map((t, i) => times.float32[i] / t))
    console.log(
      `rows ${String(rows).padEnd(4)} ${name.padEnd(22)} ${median(times[name]).toFixed(3)} ms  ${ratio.toFixed(2)}x the speed of float32` +
        `  error ${distance(row, exact).toExponential(1)}  change by other rows ${distance(row, alone).toExponential(1)}`,
    )
  }
  for (const session of Object.values(sessions)) await session.release()
}
