import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Decoder } from '../../model/index.js'
import { builtInBlocks, makeBlocks } from '../../plugins/blocks/index.js'
import { sizes } from '../../puzzle/costs.js'
import { makeChild } from '../../plugins/testing/check-child.js'
import { checkBlockType } from '../../plugins/testing/index.js'
import { makeParent, usualParents } from '../../plugins/testing/tiny-parent.js'
import { entries } from './entries.js'

/** Until it is trained, an FFN without its gate is worse than none: W_up W_down acts like a parent whose gates are all open. */
const worseThanNoOp = new Set(['ffn/linear'])

test.each(builtInBlocks.map((type) => [`${type.slot}/${type.name}`, type] as const))(
  '%s passes the test kit',
  async (name, type) => {
    const entry = entries[name]
    if (!entry) throw new Error(`test/blocks/entries.ts lacks an entry for ${name}`)
    const report = await checkBlockType(type, { entries: [entry], atLeastNoOp: !worseThanNoOp.has(name) })
    report.throwIfFailed()
    // At least one variant for each of two parents, and every check that applies to the type.
    expect(new Set(report.findings.map(({ variant }) => variant)).size).toBeGreaterThanOrEqual(3)
    expect(new Set(report.findings.map(({ check }) => check)).size).toBe(type.empty ? 6 : 14)
  },
)

test.each([
  ['attention', 'grouped-query', { kvHeads: 1 }],
  ['attention', 'sliding-window', { window: 6, kvHeads: 2 }],
  ['attention', 'linear-attention', { features: 4, kvHeads: 1 }],
  ['ffn', 'low-rank', { rank: 3 }],
] as const)('the costs of %s %s are the bytes that a decoder holds', async (slot, block, params) => {
  const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-costs-'))
  const blocks = makeBlocks()
  const parent = await makeParent(join(folder, 'parent'), usualParents[0]!, blocks)
  const child = await makeChild({ type: blocks.get(slot, block), facts: parent.facts, params, parent })
  const decoder = await Decoder.create(child, { batch: 2 })
  await decoder.prefill(new Int32Array(2 * 40))
  await decoder.step(new Int32Array(2))
  const { bytes, capacity } = decoder.stateSize
  const { parameters, memoryBytes } = sizes(child, { batch: 2, prefill: 40, generate: capacity - 40 })
  expect(capacity).toBeGreaterThan(41)
  expect(memoryBytes).toBe(4 * parameters + bytes)
  await decoder.release()
  rmSync(folder, { recursive: true })
})
