import { expect, test } from 'vitest'
import {
  fromBfloat16,
  fromFloat16,
  NonFiniteError,
  tensor,
  toBfloat16,
  toFloat16,
  Trainer,
  type AdamWOptions,
} from '../../tensor/index.js'

const weights = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i + 1) * 0.5)
const inputs = Float32Array.from({ length: 4 * 5 * 4 }, (_, i) => Math.cos(3 * i + 1))

/** Two steps, each on a batch of five rows. */
const batches = { x: { dtype: 'float32' as const, dims: [2, 5, 4], data: inputs.slice(0, 40) } }

const make = (stepsPerCall = 2, optimiser: Partial<AdamWOptions> = {}) =>
  Trainer.create({
    parameters: { w: { shape: [4, 3], data: weights }, bias: { shape: [3], data: new Float32Array(3) } },
    frozen: { target: tensor([0.1, -0.2, 0.3], [3]) },
    batch: { x: { dtype: 'float32', shape: [5, 4] } },
    loss: (g, { parameters, frozen, batch }) => {
      const y = g.add(g.matmul(batch.x!, parameters.w!), parameters.bias!)
      const loss = g.mean(g.square(g.sub(y, frozen.target!)))
      return { loss, metrics: { twice: g.add(loss, loss) } }
    },
    optimiser: { learningRate: 0.05, warmupSteps: 2, totalSteps: 100, finalFraction: 0.1, ...optimiser },
    stepsPerCall,
  })

/** The same training in plain JavaScript and float64, with finite differences. */
function reference(steps: number, waiting = 0): number[] {
  const p = [...weights, 0, 0, 0]
  const m = p.map(() => 0)
  const v = p.map(() => 0)
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    const x = inputs.slice((step % 2) * 20, (step % 2) * 20 + 20)
    const loss = (q: number[]) => {
      let sum = 0
      for (let r = 0; r < 5; r++)
        for (let c = 0; c < 3; c++) {
          let y = q[12 + c]!
          for (let k = 0; k < 4; k++) y += x[r * 4 + k]! * q[k * 3 + c]!
          sum += (y - [0.1, -0.2, 0.3][c]!) ** 2
        }
      return sum / 15
    }
    losses.push(loss(p))
    const d = p.map((_, i) => {
      const h = 1e-6
      const at = (delta: number) => loss(p.map((q, j) => (j === i ? q + delta : q)))
      return (at(h) - at(-h)) / (2 * h)
    })
    // While the matrix waits, it has no gradient.
    const waits = (i: number) => step < waiting && i < 12
    d.forEach((_, i) => (d[i] = waits(i) ? 0 : d[i]!))
    const norm = Math.hypot(...d)
    const rate = step < 2 ? (0.05 * (step + 1)) / 2 : 0.05 * (0.1 + 0.45 * (1 + Math.cos((Math.PI * (step - 2)) / 98)))
    for (let i = 0; i < p.length; i++) {
      const gi = d[i]! / Math.max(1, norm)
      m[i] = 0.9 * m[i]! + 0.1 * gi
      v[i] = 0.95 * v[i]! + 0.05 * gi * gi
      const direction = m[i]! / (1 - 0.9 ** (step + 1)) / (Math.sqrt(v[i]! / (1 - 0.95 ** (step + 1))) + 1e-8)
      p[i]! -= rate * (direction + (i < 12 && !waits(i) ? 0.1 * p[i]! : 0))
    }
  }
  return losses
}

test('a waiting parameter does not change by a bit, then learns with the others', async () => {
  const waiting = { parameters: ['w'], steps: 3 }
  const trainer = await make(2, { waiting })
  const losses: number[] = []
  for (let step = 0; step < 10; step += 2) {
    losses.push(...(await trainer.run(batches)).losses)
    const moved = trainer.parameters().w!.some((value, i) => value !== weights[i])
    expect(moved).toBe(step + 2 > 3)
  }
  expect(trainer.parameters().bias!.some((value) => value !== 0)).toBe(true)
  reference(10, 3).forEach((loss, i) => expect(Math.abs(losses[i]! / loss - 1)).toBeLessThan(1e-4))
  await trainer.release()
})

test('AdamW with warm-up, cosine schedule, clipping and weight decay follows the float64 reference', async () => {
  const trainer = await make()
  const losses: number[] = []
  for (let call = 0; call < 10; call++) losses.push(...(await trainer.run(batches)).losses)
  reference(20).forEach((expected, i) => expect(losses[i]).toBeCloseTo(expected, 5))
  await trainer.release()
})

test('a run records metrics and gradient norms for every step', async () => {
  const trainer = await make()
  const { losses, gradientNorms, metrics } = await trainer.run(batches)
  expect(metrics.twice![1]).toBeCloseTo(2 * losses[1]!, 6)
  expect(gradientNorms).toHaveLength(2)
})

test('resumed training gives the same bits as uninterrupted training', async () => {
  const whole = await make()
  for (let i = 0; i < 4; i++) await whole.run(batches)
  const first = await make()
  for (let i = 0; i < 2; i++) await first.run(batches)
  const second = await make()
  second.restore(structuredClone(first.state()))
  for (let i = 0; i < 2; i++) await second.run(batches)
  expect(second.state()).toEqual(whole.state())
})

test('a NaN is reported with its step and leaves the state unchanged', async () => {
  const trainer = await make()
  await trainer.run(batches)
  const before = structuredClone(trainer.state())
  const bad = structuredClone(batches)
  bad.x.data[25] = NaN
  await expect(trainer.run(bad)).rejects.toThrow(NonFiniteError)
  await expect(trainer.run(bad)).rejects.toThrow('step 3')
  expect(trainer.state()).toEqual(before)
})

test('16-bit formats round to nearest even and keep infinities and NaN', () => {
  const values = Float32Array.of(0, -0, 1, -2.5, 65504, 65520, 1e-8, 6e-8, 2049, 2051, Infinity, NaN)
  const back = fromFloat16(toFloat16(values))
  expect(Array.from(back)).toEqual([0, -0, 1, -2.5, 65504, Infinity, 0, 2 ** -24, 2048, 2052, Infinity, NaN])
  expect(Array.from(fromBfloat16(toBfloat16(Float32Array.of(1, 1.00390625, 1.01171875, NaN))))).toEqual([
    1,
    1,
    1.015625,
    NaN,
  ])
  for (let h = 0; h < 0x7c00; h++) expect(toFloat16(fromFloat16(Uint16Array.of(h)))[0]).toBe(h)
})
