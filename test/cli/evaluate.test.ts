import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { OnnxModel, writeOnnx, type Model } from '../../model/index.js'
import { evaluateFile, type Evaluation, type EvaluationOptions } from '../../puzzle/evaluate-file.js'
import { fullLogits, openMixed } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

describe('what is measured', () => {
  const rows = [someIds(12), someIds(20, 2), someIds(7, 3)].map((ids) => [...ids])
  const options: EvaluationOptions = { packing: 'documents', sequenceLength: 16, batch: 2, threads: 1 }

  function data(): { path: string } {
    const path = join(scratch(), 'rows.jsonl')
    writeFileSync(path, rows.map((ids) => `${JSON.stringify({ input_ids: ids })}\n`).join(''))
    return { path }
  }

  async function graphOf(model: Model): Promise<OnnxModel> {
    const folder = join(scratch(), 'graph')
    await writeOnnx(model, folder)
    return OnnxModel.open(folder)
  }

  /** The plain way: all logits of every sequence in float64. */
  async function plainly(model: Model, parent: Model): Promise<Evaluation> {
    const logs = (row: Float32Array) => {
      const largest = Math.max(...row)
      const sum = Math.log(row.reduce((all, x) => all + Math.exp(x - largest), 0))
      return Array.from(row, (x) => x - largest - sum)
    }
    const best = (row: readonly number[]) => row.indexOf(Math.max(...row))
    const sequences = rows.flatMap((ids) => [ids.slice(0, 16), ids.slice(16)]).filter((ids) => ids.length > 1)
    const sums = { tokens: 0, targets: 0, loss: 0, parentLoss: 0, kl: 0, same: 0 }
    for (const ids of sequences) {
      const [p, q] = [
        (await fullLogits(parent, Int32Array.from(ids))).map(logs),
        (await fullLogits(model, Int32Array.from(ids))).map(logs),
      ]
      for (let t = 0; t < ids.length; t++) {
        sums.tokens++
        sums.kl += p[t]!.reduce((all, log, i) => all + Math.exp(log) * (log - q[t]![i]!), 0)
        sums.same += best(p[t]!) === best(q[t]!) ? 1 : 0
        if (t + 1 === ids.length) continue
        sums.targets++
        sums.loss -= q[t]![ids[t + 1]!]!
        sums.parentLoss -= p[t]![ids[t + 1]!]!
      }
    }
    const { tokens, targets } = sums
    const [loss, parentLoss] = [sums.loss / targets, sums.parentLoss / targets]
    return {
      sequences: sequences.length,
      tokens: targets,
      loss,
      perplexity: Math.exp(loss),
      comparison: {
        kl: sums.kl / tokens,
        top1: sums.same / tokens,
        parentLoss,
        parentPerplexity: Math.exp(parentLoss),
      },
    }
  }

  /** Sums in float32, in another order. */
  function expectSame(found: Evaluation, expected: Evaluation): void {
    expect(found.sequences).toBe(expected.sequences)
    expect(found.tokens).toBe(expected.tokens)
    expect(found.loss / expected.loss).toBeCloseTo(1, 5)
    expect(found.perplexity / expected.perplexity).toBeCloseTo(1, 4)
    expect(found.comparison!.kl / expected.comparison!.kl).toBeCloseTo(1, 4)
    expect(found.comparison!.top1).toBe(expected.comparison!.top1)
    expect(found.comparison!.parentLoss / expected.comparison!.parentLoss).toBeCloseTo(1, 5)
  }

  test('loss, KL and agreement are those of the logits, of models and of their graphs alike', async () => {
    const [parent, child] = [await openTiny({ num_hidden_layers: 4 }), await openMixed()]
    const expected = await plainly(child, parent)
    expect(expected.comparison!.kl).toBeGreaterThan(0.01)
    expect(expected.comparison!.top1).toBeLessThan(1)
    const graphs = { parent: await graphOf(parent), child: await graphOf(child) }
    for (const [model, other] of [
      [child, parent],
      [graphs.child, parent],
      [child, graphs.parent],
      [graphs.child, graphs.parent],
    ] as const)
      expectSame(await evaluateFile(model, data(), { ...options, parent: other }), expected)
    for (const graph of Object.values(graphs)) await graph.release()
  })

  test('a parent with larger hidden states is compared by its logits', async () => {
    const [parent, child] = [await openTiny({ hidden_size: 32 }), await openTiny()]
    expectSame(await evaluateFile(child, data(), { ...options, parent }), await plainly(child, parent))
  })

  test('a parent of another vocabulary is refused', async () => {
    const [parent, child] = [await openTiny({ vocab_size: 60 }), await openTiny()]
    await expect(evaluateFile(child, data(), { ...options, parent })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: `${parent.folder} has a vocabulary of 60, but ${child.folder} has one of 50`,
      remedy: 'Compare a child with the parent that it descends from.',
    })
  })

  test('sequences are no longer than what model and parent can read', async () => {
    const [parent, child] = [await openTiny({ max_position_embeddings: 10 }), await openTiny()]
    await expect(evaluateFile(child, data(), { ...options, parent })).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('10 positions') as string,
    })
    const rest: EvaluationOptions = { packing: 'documents', batch: 2, threads: 1 }
    // 12, 20 and 7 tokens by 10; a last one of two predicts one.
    expect(await evaluateFile(child, data(), { ...rest, parent })).toMatchObject({ sequences: 5, tokens: 34 })
  })
})

describe('the command', () => {
  let place: Place
  beforeAll(async () => void (place = new Place(await writeTinySearch())))
  afterAll(() => place.close())

  const json = async (...args: readonly string[]): Promise<Evaluation> => {
    const { code, stdout, stderr } = await runHere(place, 'evaluate', ...args, '--json')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as Evaluation
  }

  test('a model and its exports are measured alike, on texts and on tasks', async () => {
    for (const format of ['hf', 'onnx'])
      expect(
        (await runHere(place, 'export', 'parent', '--format', format, '-o', format, '--dtype', 'float32')).code,
      ).toBe(0)
    const args = ['--data', 'data/validate.jsonl', '--tasks', 'tasks', '--sequence-length', '16']
    const parent = await json('parent', ...args)
    expect(parent.tokens).toBeGreaterThan(300)
    expect(await json('hf', ...args)).toEqual(parent)
    const graph = await json('onnx', ...args, '--parent', 'parent')
    expect(graph).toMatchObject({ sequences: parent.sequences, tokens: parent.tokens, tasks: parent.tasks })
    expect(await json('onnx', '--tasks', 'tasks')).toMatchObject({ tasks: parent.tasks, accuracy: parent.accuracy })
    expect(graph.loss).toBeCloseTo(parent.loss, 5)
    expect(graph.comparison!.top1).toBe(1)
    expect(graph.comparison!.kl).toBeCloseTo(0, 6)
  })

  test('no more is read than what was asked for, and the numbers are shown', async () => {
    const args = ['--data', 'data/validate.jsonl', '--max-tokens', '50']
    const { tokens } = await json('parent', ...args)
    expect(tokens).toBeGreaterThanOrEqual(50)
    expect(tokens).toBeLessThan(50 + 8 * 64)
    const { code, stdout } = await runHere(place, 'evaluate', 'parent', ...args)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^tokens predicted +\d+ in \d+ sequences\nloss, nats per token +\d\.\d+\nperplexity +[\d.]+\n$/,
    )
  })

  test('a model is compared with its parent item by item, on tasks of a folder and of the harness', async () => {
    const yaml = `task: own
dataset_path: json
dataset_kwargs: {data_files: {test: tasks/next.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: prompt
doc_to_choice: "{{[answer, 'no']}}"
doc_to_target: "{{0}}"
`
    writeFileSync(join(place.folder, 'mine.yaml'), yaml)
    const args = ['--tasks', 'tasks', '--tasks', 'mine.yaml', '--parent', 'parent']
    const { metrics, paired, parentTasks } = await json('parent', ...args)
    expect(Object.keys(metrics!)).toEqual(['next', 'own'])
    expect(Object.keys(metrics!.own!)).toEqual(['acc', 'acc_norm'])
    expect(parentTasks!.metrics).toEqual(metrics)
    for (const { differences, outcomes } of Object.values(paired!)) {
      expect(differences.acc).toEqual({ value: 0, stderr: 0 })
      expect(outcomes).toMatchObject({ parentOnly: 0, childOnly: 0, losses: [], wins: [] })
    }
    const { stdout } = await place.run('evaluate', 'parent', ...args)
    expect(stdout.replace(/ {2,}/g, '  ')).toMatch(
      /^task next {2}[\d.]+ % ± [\d.]+\n {2}the parent {2}[\d.]+ % ± [\d.]+\n {2}difference {2}0.00 % ± 0.00\n {2}right {2}both \d+, only the parent 0, only the model 0, neither \d+\ntask own, acc {2}/,
    )
  })

  test.each([
    [['--data', 'nowhere.jsonl'], 'nowhere.jsonl'],
    [
      ['--data', 'data/validate.jsonl', '--sequence-length', '1'],
      "'1' is invalid. It must be a whole number, 2 or more.",
    ],
    [
      ['--data', 'data/validate.jsonl', '--sequence-length', '65'],
      "--sequence-length 65 is more than the model's 64 positions",
    ],
    [['--data', 'empty.jsonl'], 'empty.jsonl contains no sequence of at least two tokens'],
    [[], 'There is nothing to measure the model on'],
    [['--tasks', 'own.yaml'], 'own.yaml:2:15: the data set "allenai/ai2_arc" is not local, and nothing is fetched'],
  ])('%j is refused', async (args, message) => {
    writeFileSync(join(place.folder, 'empty.jsonl'), '{"text": "an"}\n')
    writeFileSync(join(place.folder, 'own.yaml'), 'task: own\ndataset_path: allenai/ai2_arc\ntest_split: test\n')
    const { code, stdout, stderr } = await runHere(place, 'evaluate', 'parent', ...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
  })
})
