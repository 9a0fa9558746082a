import { Session, type Tensor } from '../../tensor/index.js'
import { differingBits, noise } from './noise.js'
import type { Measure } from './report.js'
import { asTensor, buildForward, rotaryFeeds, weightFeeds, whole } from './runner.js'
import type { Prepared } from './subject.js'

const [batch, length] = [2, 12]

/** Building and running the graph twice must give the same bits, in float32 and optimised as in a search. */
export async function checkRepeatable(variant: Prepared): Promise<Measure[]> {
  const rows = [batch * length, variant.facts.hidden] as const
  const x = noise(rows[0] * rows[1], 4)
  const feeds: Record<string, Tensor> = {
    ...weightFeeds(variant.weights, 'float32'),
    ...rotaryFeeds(variant, 0, length, 'float32'),
    x: asTensor(x, rows, 'float32'),
  }
  const outputs: Float32Array[] = []
  for (let i = 0; i < 2; i++) {
    const { g, result } = buildForward(variant, whole(batch, length), 'float32')
    g.output('y', result.y)
    const session = await Session.create(g)
    outputs.push((await session.run(feeds)).y!.data as Float32Array)
    await session.release()
  }
  const finite = outputs[0]!.filter((value) => !Number.isFinite(value)).length
  return [
    { what: 'outputs are finite', figure: finite, allowed: 0 },
    { what: 'two sessions give the same bits', figure: differingBits(outputs[0]!, outputs[1]!), allowed: 0 },
  ]
}
