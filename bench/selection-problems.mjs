// Generated selection problems, by family. Numbers come from a seed.
import { uniform } from '../dist/solver/random.js'

const grid = (attention, ffn) => attention.flatMap((a) => ffn.map((f) => [a, f]))

/** Limits at a share of the way from the least that a layer-wise choice uses to what the parent uses. */
function limited(layers, tightness, names) {
  const limits = names.map((cost) => {
    const sum = (pick) =>
      layers.reduce((total, { options }) => total + pick(options.map(({ costs }) => costs[cost])), 0)
    const least = sum((values) => Math.min(...values))
    const parent = sum(([first]) => first)
    return { cost, max: least + tightness * (parent - least) }
  })
  return { layers, limits }
}

/** Layers of a 70B-like model: 6 attention and 9 FFN variants; memory, decoding time of a batch, and of one sequence. */
function search(seed, { layers = 80, tightness, noise = 0, third = 'latency' }) {
  const next = uniform(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const heads = [8, 4, 2, 1, 0.5, 0]
  const widths = [1, 0.87, 0.75, 0.5, 0.25, 0.2, 0.1, 0.05, 0]
  const damageOf = (share) => (1 - share) ** 1.5 * (share === 0 ? 1.6 : 1)
  const options = grid(heads, widths)
  const cost = options.map(([h, w]) => {
    const [attention, ffn] = [h === 0 ? 0 : 0.06 + 0.03 * h, 1.3 * w]
    const cache = h < 1 ? 0 : 0.27 * h
    return {
      memory: attention + ffn + cache,
      runtime: (0.08 * attention + 0.3 * ffn + 0.2 * cache) * (1 + 0.02 * normal()),
      latency: (0.3 * attention + 0.3 * ffn + (h > 0 ? 0.05 : 0) + (w > 0 ? 0.04 : 0)) * (1 + 0.02 * normal()),
      parameters: (attention + ffn) * 1e9,
    }
  })
  const built = Array.from({ length: layers }, (_, i) => {
    const edge = i < 2 || i >= layers - 2 ? 3 + 3 * next() : 1
    const sensitivity = 1e-3 * Math.exp(0.6 * normal()) * edge * (next() < 0.04 ? 8 : 1)
    const free = next() < 0.25 ? 0.05 : 1
    return {
      options: options.map(([h, w], k) => ({
        id: `heads-${h}+width-${w}`,
        score: k === 0 ? 0 : sensitivity * (0.7 * free * damageOf(h / 8) + damageOf(w)) * Math.exp(0.15 * normal()),
        costs: Object.fromEntries(
          Object.entries(cost[k]).map(([name, value]) => [name, value * (1 + noise * normal())]),
        ),
      })),
    }
  })
  return limited(built, tightness, ['memory', 'runtime', third])
}

/** Scores and costs without structure, but dearer options are better on the whole. */
function independent(seed, { layers = 80, options = 54, tightness }) {
  const next = uniform(seed)
  const built = Array.from({ length: layers }, () => {
    const sensitivity = 0.2 + next() ** 2 * 3
    return {
      options: Array.from({ length: options }, (_, j) => {
        const size = 1 - j / (options - 1)
        const use = () => size * (0.5 + next()) + 0.05 * next()
        return {
          id: `option-${j}`,
          score: j === 0 ? 0 : sensitivity * 0.01 * (1 - size) ** 1.5 * (0.5 + next()),
          costs: { memory: 200 * use(), runtime: 1000 * use(), parameters: 1e9 * use() },
        }
      }),
    }
  })
  return limited(built, tightness, ['memory', 'runtime', 'parameters'])
}

/** The same whole-number costs in every layer: many sums are equal, so bounds cannot tell selections apart. */
function ties(seed, { layers, options = 15 }) {
  const next = uniform(seed)
  const step = (j, factor) => 1 + ((j * factor) % options)
  const costs = Array.from({ length: options }, (_, j) => ({ a: options - j, b: step(j, 7), c: step(j, 4) }))
  const built = Array.from({ length: layers }, () => {
    const sensitivity = 0.5 + next()
    return {
      options: costs.map((use, j) => ({ id: `${j}`, score: sensitivity * (j + 2 * next()), costs: use })),
    }
  })
  const max = 0.43 * (options + 1) * layers
  return { layers: built, limits: ['a', 'b', 'c'].map((cost) => ({ cost, max })) }
}

/** Whole-number costs of a few steps, and layers that are nearly alike. */
function alike(seed, { layers, tightness }) {
  const next = uniform(seed)
  const options = grid([4, 3, 2, 1, 0], [8, 4, 0])
  const built = Array.from({ length: layers }, () => {
    const sensitivity = 0.95 + 0.1 * next()
    return {
      options: options.map(([a, f]) => ({
        id: `${a}+${f}`,
        score: a === 4 && f === 8 ? 0 : sensitivity * ((4 - a) ** 1.4 + 0.7 * (8 - f) ** 1.2) * 1e-3,
        costs: { memory: a + f, runtime: 2 * a + f, latency: a + 2 * f + 1 },
      })),
    }
  })
  return limited(built, tightness, ['memory', 'runtime', 'latency'])
}

const seeds = (count) => Array.from({ length: count }, (_, i) => i + 1)
const tightness = (seed) => [0.3, 0.5, 0.7][seed % 3]

/** Each family is solved alone; the first three are 30 problems of 80 layers, 54 options and 3 limits. */
export const families = [
  {
    name: '80 x 54 x 3, costs alike in all layers',
    problems: seeds(10).map((s) => search(s, { tightness: tightness(s) })),
  },
  {
    name: '80 x 54 x 3, noisy costs, parameters',
    problems: seeds(10).map((s) => search(100 + s, { tightness: tightness(s), noise: 0.03, third: 'parameters' })),
  },
  {
    name: '80 x 54 x 3, no structure',
    problems: seeds(10).map((s) => independent(200 + s, { tightness: tightness(s) })),
  },
  {
    name: '80 x 54 x 3, 3 solutions',
    problems: seeds(5).map((s) => ({ ...search(300 + s, { tightness: tightness(s) }), solutions: 3 })),
  },
  {
    name: 'ties, 48 to 126 x 15 x 3, gap 1e-3',
    problems: seeds(6).map((s) => ({ ...ties(s, { layers: [48, 80, 126][s % 3] }), gap: 1e-3 })),
  },
  {
    name: 'ties, alike layers, 80 x 15 x 3, gap 1e-3',
    problems: seeds(4).map((s) => ({ ...alike(s, { layers: 80, tightness: tightness(s) }), gap: 1e-3 })),
  },
]
