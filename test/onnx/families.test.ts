import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, writeOnnx } from '../../model/index.js'
import { difference, fullLogits } from '../model/mixed.js'
import { blocks, scratch, someIds } from '../model/tiny.js'
import { Exported } from './exported.js'

const root = join(import.meta.dirname, '../../../shared/fixtures/hf')
const names = existsSync(root) ? readdirSync(root).filter((name) => !existsSync(join(root, name, 'REFUSE'))) : []

test.skipIf(names.length > 0)('SKIPPED: the reference checkpoints are not beside this checkout', () => {})

test.each(names)('%s decodes by its exported graph as whole sequences', async (name) => {
  const model = await openModel(join(root, name), blocks)
  const folder = join(scratch(), 'exported')
  await writeOnnx(model, folder)
  const ids = someIds(40)
  const whole = await fullLogits(model, ids)
  const graph = await Exported.open(folder)
  graph.reset(1)
  const rows = [...(await graph.read([[...ids.slice(0, 21)]]))[0]!]
  for (const id of ids.slice(21, 25)) rows.push((await graph.read([[id]]))[0]![0]!)
  rows.push(...(await graph.read([[...ids.slice(25)]]))[0]!)
  rows.forEach((row, i) => expect(difference(row, whole[i]!), `token ${i}`).toBeLessThan(1e-5))
  expect(rows.length).toBe(ids.length)
  await graph.release()
})
