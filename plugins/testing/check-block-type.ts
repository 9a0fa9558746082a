import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { builtInBlocks, makeBlocks } from '../blocks/index.js'
import type { BlockType, JsonObject } from '../../api/index.js'
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

/** Options of `checkBlockType`. */
export interface CheckOptions {
  /** Entries of a spec's `space`, without `block:`. Every variant that they stand for is checked. */
  readonly entries: readonly JsonObject[]
  /**
   * Parents to check the variants with; sizes left out are those of the default parents.
   * @default two parents with hidden size 10, 4 query heads of dimension 6 and intermediate size 22: one with a KV head per
   * query head, one with 2 KV heads and biases
   */
  readonly facts?: readonly Partial<ParentSizes>[]
  /** Whether initial weights must be at least as good as a no-op. @default true */
  readonly atLeastNoOp?: boolean
}

/**
 * Checks a block type on tiny models: variants, weights and state match their declarations, gradients are correct, attention is
 * causal, decoding agrees with training, and checkpoints preserve the block.
 *
 * @returns one finding per check; see `BlockReport.throwIfFailed`
 * @throws Failure `PluginBug` if a built-in type has the same slot and name
 * @example
 * ```ts
 * const report = await checkBlockType(ungated, { entries: [{ width: [16, 8] }] })
 * report.throwIfFailed()
 * ```
 */
export async function checkBlockType(type: BlockType, options: CheckOptions): Promise<BlockReport> {
  const folder = await mkdtemp(join(tmpdir(), 'puzzleflow-check-'))
  try {
    const blocks = makeBlocks(builtInBlocks.includes(type) ? builtInBlocks : [...builtInBlocks, type])
    const findings: Finding[] = []
    const unused = new Set(options.entries)
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
              unused.delete(entry)
              byId.set(type.id(params), params)
            }
          return []
        })),
      )
      for (const [id, params] of byId) {
        const subject = { type, facts, params, parent }
        const childFolder = join(folder, String(i), id.replaceAll(/[^\w.-]/g, '_'))
        findings.push(...(await checkVariant(subject, `${id} for ${where}`, childFolder, options.atLeastNoOp ?? true)))
      }
    }
    const without = [...unused].map((entry) => JSON.stringify(entry)).join(', ')
    const what = `every entry has variants${without && `, but not ${without}`}`
    findings.push(finding('variants', type.name, { what, figure: unused.size, allowed: 0 }))
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
  // All further checks depend on these two, and a mistake should be reported once.
  if (findings.some(({ ok }) => !ok)) return findings
  if (!subject.type.empty) await checkForward(subject, check, atLeastNoOp)
  if (findings.some(({ check, ok }) => check === 'forward' && !ok)) return findings

  const child = await makeChild(subject)
  let costs: readonly Measure[] = []
  await check('decoder', async () => {
    const measures = await checkDecoder(child)
    costs = measures.costs
    return measures.decoder
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
      return [{ what: `it runs in ${runner.variant.dtype}`, figure: 0, allowed: 0 }]
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

/** Runs a check and returns its findings; an error becomes a finding. */
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
