import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { readTensors } from '../../tensor/index.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Place } from './puzzleflow.js'
import { writeTinySearch } from './tiny-search.js'

let place: Place
beforeAll(async () => void (place = new Place(await writeTinySearch())))
afterAll(() => place.close())

/** What a command prints that succeeds. */
async function prints(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await place.run(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}
const json = async (...args: readonly string[]) =>
  JSON.parse(await prints(...args, '--json')) as Record<string, unknown>

test('schema prints the schema of specs, which takes a spec and refuses another', async () => {
  const validate = new Ajv2020({ strict: false }).compile(await json('schema'))
  const spec = {
    apiVersion: 'puzzleflow/v1',
    name: 'a',
    model: './parent',
    data: { train: { path: 'a' }, validate: { path: 'b' } },
    space: { attention: ['parent'], ffn: [{ block: 'swiglu', width: ['50%'] }] },
    target: { scenario: { batch: 1, prefill: 1, generate: 1 } },
  }
  expect(validate(spec), JSON.stringify(validate.errors)).toBe(true)
  expect(validate({ ...spec, space: { attention: ['parent'], ffn: [{ block: 'swiglu', widht: ['50%'] }] } })).toBe(
    false,
  )
})

test('schema prints the other schemas by name', async () => {
  expect(await json('schema', 'problem')).toMatchObject({ title: 'puzzleflow selection problem' })
  expect(await json('schema', 'result')).toMatchObject({ title: 'puzzleflow result' })
})

test('graph draws the stages', async () => {
  const text = await prints('graph', 'search.yaml')
  expect(text.split('\n').slice(0, 5)).toEqual([
    'flowchart TD',
    '  s0["prepare"]',
    '  s1[["profile"]]',
    '  s2["check-limits"]',
    '  s3["capture"]',
  ])
  expect(await json('graph', 'search.yaml', '--format', 'dot')).toMatchObject({
    format: 'dot',
    graph: expect.stringMatching(/^digraph "tiny" \{\n/) as string,
  })
})

test('plan says what would run, and makes nothing', async () => {
  const { stages } = (await json('plan', 'search.yaml')) as {
    stages: { stage: string; tasks: unknown; reused: number }[]
  }
  expect(stages.map(({ stage, tasks, reused }) => [stage, tasks, reused]).slice(0, 3)).toEqual([
    ['prepare', 'unknown', 0],
    ['profile', 'unknown', 0],
    ['check-limits', 'unknown', 0],
  ])
  expect(await prints('plan', 'search.yaml')).toMatch(/^tiny, digest [0-9a-f]{12}, pipeline puzzle\n/)
  expect(existsSync(place.store)).toBe(false)
})

test('solve prints the best choice and proves it', async () => {
  const option = (id: string, score: number, memory: number) => ({ id, score, costs: { memory } })
  const layer = { options: [option('large', 0, 10), option('small', 0.5, 4), option('none', 2, 0)] }
  const problem = { layers: [layer, layer], limits: [{ cost: 'memory', max: 14 }] }
  writeFileSync(join(place.folder, 'problem.json'), JSON.stringify(problem))
  const result = await json('solve', 'problem.json')
  expect(result.status).toBe('optimal')
  expect((result.solutions as { objective: number; choice: string[] }[])[0]).toMatchObject({ objective: 0.5 })
})

test('solve says which limit cannot be met and by how much, with its own exit code', async () => {
  const layer = { options: [{ id: 'only', score: 0, costs: { memory: 10 } }] }
  writeFileSync(
    join(place.folder, 'problem.json'),
    JSON.stringify({ layers: [layer, layer], limits: [{ cost: 'memory', max: 15 }] }),
  )
  const { code, stdout, stderr } = await place.run('solve', 'problem.json')
  expect(code).toBe(3)
  expect(JSON.parse(stdout)).toMatchObject({ status: 'infeasible' })
  expect(stderr).toBe('The limit "memory" <= 15 cannot be met: the least is 20 (5 too much, 33.3 %).\n')
})

test('solve refuses what is no problem', async () => {
  writeFileSync(join(place.folder, 'problem.json'), '{"layers": []}')
  const { code, stdout, stderr } = await place.run('solve', 'problem.json', '--json')
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ error: { kind: 'InvalidInput', exitCode: 2 } })
  expect(stderr).toBe(`The problem is invalid.
layers: must NOT have fewer than 1 items, not a list of 0.
Remedy: Correct the problem; its form is described in schemas/problem.schema.json (\`puzzleflow schema problem\`).
`)
})

test('generate goes on with a prompt, the same each time', async () => {
  const args = ['generate', 'parent', '--prompt', 'an ant is', '-n', '5', '--ignore-eos']
  const { prompt, tokens } = (await json(...args)) as { prompt: number[]; tokens: number[] }
  expect(prompt).toEqual([4, 5, 28])
  expect(tokens).toHaveLength(5)
  expect((await json('generate', 'parent', '--tokens', prompt.join(), '-n', '5', '--ignore-eos')).tokens).toEqual(
    tokens,
  )
})

test('generate goes on with several prompts as with each alone, up to a stop string', async () => {
  const prompts = ['an ant is', 'an ant', 'an owl is']
  const options = ['-n', '6', '--ignore-eos', '--temperature', '1', '--top-k', '9', '--top-p', '0.9', '--seed', '3']
  const together = await json('generate', 'parent', ...prompts.flatMap((text) => ['--prompt', text]), ...options)
  const { sequences } = together as { sequences: { text: string }[] }
  const alone = []
  for (const text of prompts) alone.push(await json('generate', 'parent', '--prompt', text, ...options))
  expect(sequences).toEqual(alone)

  const { text } = sequences[0]!
  const stop = text.slice(3, 5)
  const stopped = (await json('generate', 'parent', '--prompt', prompts[0]!, ...options, '--stop', stop)) as {
    text: string
  }
  expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)))
})

test('generate shows the prompt and what it makes of it', async () => {
  const args = ['generate', 'parent', '--prompt', 'an ant is', '-n', '5', '--ignore-eos']
  const { text } = (await json(...args)) as { text: string }
  expect(await prints(...args)).toBe(`an ant is${text}\n`)
})

test('evaluate tells the loss that the logits say, and compares with a parent', async () => {
  const rows = [
    [4, 5, 28, 7, 9, 11],
    [5, 6, 7, 8, 9, 10],
  ]
  writeFileSync(join(place.folder, 'rows.json'), JSON.stringify({ input_ids: rows }))
  writeFileSync(join(place.folder, 'rows.jsonl'), rows.map((ids) => `${JSON.stringify({ input_ids: ids })}\n`).join(''))
  await prints('logits', 'parent', '--tokens', 'rows.json', '-o', 'rows.safetensors')
  const { logits } = (await readTensors(join(place.folder, 'rows.safetensors'))).tensors
  const [, length, vocabulary] = logits!.dims as [number, number, number]
  let loss = 0
  for (const [i, ids] of rows.entries())
    for (let t = 0; t + 1 < length; t++) {
      const at = (i * length + t) * vocabulary
      const row = Array.from((logits!.data as Float32Array).subarray(at, at + vocabulary))
      loss += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[ids[t + 1]!]!
    }
  const found = await json('evaluate', 'parent', '--data', 'rows.jsonl', '--parent', 'parent', '--batch', '3')
  expect(found).toMatchObject({ sequences: 2, tokens: 10, comparison: { top1: 1 } })
  expect(found.loss).toBeCloseTo(loss / 10, 5)
  expect(found.perplexity).toBeCloseTo(Math.exp(loss / 10), 4)
  expect((found.comparison as { kl: number }).kl).toBeCloseTo(0, 6)
})

test('evaluate answers tasks too, and stops where it was told', async () => {
  const args = ['evaluate', 'parent', '--data', 'data/validate.jsonl', '--max-tokens', '50']
  const found = await json(...args, '--tasks', 'tasks')
  expect(found.tokens).toBeGreaterThanOrEqual(50)
  expect(found.tokens).toBeLessThan(50 + 8 * 64)
  expect(found.accuracy).toBeGreaterThanOrEqual(0)
  expect(await prints(...args)).toMatch(
    /^tokens predicted +\d+ in \d+ sequences\nloss, nats per token +\d\.\d+\nperplexity +[\d.]+\n$/,
  )
})

test('help lists the commands on stdout', async () => {
  const text = await prints('--help')
  for (const command of ['run', 'validate', 'solve', 'worker']) expect(text).toContain(`  ${command} `)
})
