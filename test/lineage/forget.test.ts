import { expect, test } from 'vitest'
import { forgetStages } from '../../lineage/forget.js'
import { loadPlugins } from '../engine/registry.js'
import { compile } from '../engine/rig.js'
import { fanOut } from '../engine/fan-out.js'
import { sharedRig } from '../engine/shared-rig.js'

const rig = await sharedRig()
await rig.startWorker(3)

test('what is forgotten of a stage is done again by the next run, and nothing else is', async () => {
  const spec = fanOut(['a1', 'a2'], 2)
  await Promise.all([(await rig.run('before', spec)).result(), rig.steps.finish(2)])
  const plan = await compile(spec)
  const each = plan.stages.find(({ name }) => name === 'each')!
  const forgotten = await forgetStages(plan, rig.store, loadPlugins(), undefined, each.uses)
  expect(forgotten.map(({ components }) => components.task).sort()).toEqual(['a1', 'a2'])
  expect(await forgetStages(plan, rig.store, loadPlugins(), undefined, each.uses)).toEqual([])
  const again = (await rig.run('again', spec)).result()
  await rig.steps.finish(2)
  await again
})
