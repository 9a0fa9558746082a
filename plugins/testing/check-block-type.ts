import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtInBlocks, makeBlocks } from '../blocks/index.js'
import type { BlockType, JsonObject } from '../api/index.js'
import { checkCheckpoint, checkDecoder, makeChild } from './check-child.js'
import { checkDecoding } from './check-decoding.js'
import { checkGradient } from './check-gradient.js'
import { checkInitialise } from './check-initialise.js'
import { checkBatch, checkCausality, checkLength } from './check-invariance.js'
import { checkRepeatable } from './check-repeatable.js'
import { checkShapes } from './check-shapes.js'
import { checkStart } from './check-start.js'
import { checkVariants, listVariants } from './check-variants.js'
import { prepare } from './prepare.js'
import { BlockReport, finding, thrown, type CheckName, type Finding, type Measure } from './report.js'
import { Runner, whole } from './runner.js'
import type { Subject } from './subject.js'
import { makeParent, sizesFrom, usualParents, type ParentSizes } from './tiny-parent.js'

export interface CheckOptions {
  /** What a spec may write of the type, without `block:`. All variants that come of them are checked. */
  readonly entries: readonly JsonObject[]
  /** Parents that the variants are made for; what is left out is as small as can be. Default: one with a KV head per query
   *  head, and one with shared KV heads and biases, both with 4 query heads of 6 and 22 channels for a hidden size of 10. */
  readonly facts?: readonly Partial<ParentSizes>[]
  /** Whether initial weights must be no worse than nothing at all. Default true. */
  readonly atLeastNoOp?: boolean
}

/**
 * Checks a block type on tiny models: that its variants, weights and states are what it says they are; that gradients are
 * right, tokens see nothing they must not see, and decoding equals training; that checkpoints keep it.
 * @throws Failure where a built-in type has its slot and name
 *
 *     (await checkBlockType(ungated, { entries: [{ width: [16, 8] }] })).throwIfFailed()
 */
export async function checkBlockType(type: BlockType, options: CheckOptions): Promise<BlockReport> {
  const folder = await mkdtemp(join(tmpdir(), 'puzzleflow-check-'))
  try {
    const blocks = makeBlocks(builtInBlocks.includes(type) ? builtInBlocks : [...builtInBlocks, type])
    const findings: Finding[] = []
    const refused = new Set(options.entries)
    const parents = options.facts?.map(sizesFrom) ?? usualParents
    for (const [i, sizes] of parents.entries()) {
      const parent = await makeParent(join(folder, String(i)), sizes, blocks)
      const { facts } = parent
      const where = `${facts.heads} heads, ${facts.kvHeads} KV heads${facts.mlpBias || facts.attentionBias ? ', biases' : ''}`
      const label = `${type.name} for ${where}`
      findings.push(...(await attempt('variants', label, () => checkVariants(type, facts, options.entries))))
      const byId = new Map<string, JsonObject>()
      findings.push(
        ...(await attempt('variants', label, () => {
          for (const entry of options.entries)
            for (const params of listVariants(type, facts, entry) ?? []) {
              refused.delete(entry)
              byId.set(type.id(params), params)
            }
          return []
        })),
      )
      for (const [id, params] of byId) {
        const subject = { type, facts, params, parent }
        const own = join(folder, String(i), id.replaceAll(/[^\w.-]/g, '_'))
        findings.push(...(await checkVariant(subject, `${id} for ${where}`, own, options.atLeastNoOp ?? true)))
      }
    }
    const what = `every entry has variants${[...refused].map((entry) => ` ${JSON.stringify(entry)}`).join()}`
    findings.push(finding('variants', type.name, { what, figure: refused.size, allowed: 0 }))
    return new BlockReport(type.name, findings)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function checkVariant(
  subject: Subject,
  variant: string,
  folder: string,
  atLeastNoOp: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const check = async (name: CheckName, run: () => Promise<readonly Measure[]> | readonly Measure[]) =>
    void findings.push(...(await attempt(name, variant, run)))
  await check('shapes', () => checkShapes(subject))
  await check('initialise', () => checkInitialise(subject))
  // Whatever follows needs both: one mistake is to be told once.
  if (findings.some(({ ok }) => !ok)) return findings
  if (!subject.type.empty) await checkForward(subject, check, atLeastNoOp)
  if (findings.some(({ check, ok }) => check === 'forward' && !ok)) return findings

  const child = await makeChild(subject)
  let costs: readonly Measure[] = []
  await check('decoder', async () => {
    const found = await checkDecoder(child)
    costs = found.costs
    return found.decoder
  })
  await check('costs', () => costs)
  await check('checkpoint', () => checkCheckpoint(child, folder))
  return findings
}

async function checkForward(
  subject: Subject,
  check: (name: CheckName, run: () => Promise<readonly Measure[]>) => Promise<void>,
  atLeastNoOp: boolean,
): Promise<void> {
  const runner = new Runner(await prepare(subject))
  const { hidden } = subject.facts
  let runs = false
  try {
    await check('forward', async () => {
      await runner.run(whole(2, 3), new Float64Array(6 * hidden).fill(0.5))
      runs = true
      return [{ what: `it computes in ${runner.variant.dtype}`, figure: 0, allowed: 0 }]
    })
    if (!runs) return
    await check('gradient', () => checkGradient(runner.variant))
    await check('causality', () => checkCausality(runner))
    await check('batch', () => checkBatch(runner))
    await check('length', () => checkLength(runner))
    await check('decoding', () => checkDecoding(runner))
    await check('repeatable', () => checkRepeatable(runner.variant))
    await check('start', () => checkStart(subject, atLeastNoOp))
  } finally {
    await runner.release()
  }
}

/** The findings of a check; what it throws is one of them. */
async function attempt(
  check: CheckName,
  variant: string,
  run: () => Promise<readonly Measure[]> | readonly Measure[],
): Promise<Finding[]> {
  try {
    return (await run()).map((measure) => finding(check, variant, measure))
  } catch (error) {
    return [thrown(check, variant, error)]
  }
}
