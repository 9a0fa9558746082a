import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { Place } from '../cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../cli/tiny-search.js'
import { serverTimeout, testServer } from '../temporal.js'
import { addFiles, withPrograms } from './folders.js'

/** Whole searches run here, beside other tests. */
const patience = 300_000

const folders = ['plugin-short-convolution', 'plugin-sensitivity']
const packages = ['puzzleflow-short-convolution', 'puzzleflow-sensitivity']

/** A search with the block type and the stage of the examples. */
const spec = (plugins: readonly string[]) =>
  `plugins: [${plugins.join(', ')}]\n${tinySpec}`
    .replace('{ block: grouped-query, kvHeads: [1] }', '{ block: short-convolution }')
    .concat('  sensitivity: { uses: sensitivity, needs: [score], with: { top: 2 } }\n')

let place: Place

beforeAll(async () => {
  await withPrograms(testServer)
  const search = await writeTinySearch(spec(folders.map((name) => `./${name}`)))
  for (const [i, name] of folders.entries())
    for (const to of [name, `node_modules/${packages[i]}`])
      cpSync(join(packageRoot(), 'examples', name), join(search, to), { recursive: true })
  addFiles(search, { 'by-name.yaml': spec(packages) })
  place = new Place(search, inject('stateHome'))
}, serverTimeout)
afterAll(() => place.close())

const allow = (names: readonly string[]) => names.flatMap((name) => ['--allow-plugin', name])
const byPath = ['search.yaml', ...allow(folders.map((name) => `./${name}`))]
const byName = ['by-name.yaml', ...allow(packages.map((name) => `./node_modules/${name}`))]

test(
  'the examples’ block type and stage go through a search, named by their paths',
  async () => {
    const { code, stderr } = await place.run('run', ...byPath)
    expect(code, stderr).toBe(0)
    type Row = { slot: string; attention: string; kl: number; kl_before_distillation: number }
    const scores = JSON.parse((await place.run('scores', 'tiny', '--json')).stdout) as Row[]
    const own = scores.filter(({ slot, attention }) => slot === 'attention' && attention === 'short-convolution-3')
    expect(own).toHaveLength(2)
    for (const { kl, kl_before_distillation: before } of own) expect(kl).toBeLessThan(before)

    const read = (name: string) => readFileSync(join(place.folder, 'runs/tiny', name), 'utf8')
    const [head, ...lines] = read('sensitivity.csv').trimEnd().split('\n')
    expect(head).toBe('rank,layer,slot,variants,mean,share,best,best value,worst,worst value')
    const places = lines.map((line) => line.split(','))
    expect(places.map(([rank]) => rank)).toEqual(['1', '2', '3', '4'])
    expect(places.map(([, layer, slot]) => `${layer} ${slot}`).sort()).toEqual([
      '0 attention',
      '0 ffn',
      '1 attention',
      '1 ffn',
    ])
    const means = places.map(([, , , , mean]) => Number(mean))
    expect(means).toEqual([...means].sort((a, b) => b - a))
    expect(
      read('sensitivity.md')
        .split('\n')
        .filter((line) => line.startsWith('| 1 |') || line.startsWith('| 2 |')),
    ).toHaveLength(2)
    expect(stderr).toContain(`Report: ${place.folder}/runs/tiny/report.html`)
    expect(existsSync(join(place.folder, 'runs/tiny/result.json'))).toBe(true)
  },
  patience,
)

test(
  'installed as packages they are the same code: named so, nothing is done again',
  async () => {
    const { stdout } = await place.run('plan', ...byName, '--json')
    const { stages } = JSON.parse(stdout) as { stages: { stage: string; tasks: number; reused: number }[] }
    const todo = stages.filter(({ tasks, reused }) => tasks !== reused).map(({ stage }) => stage)
    expect(todo).toEqual([])
    const { code, stderr } = await place.run('run', ...byName, '--run', 'by-name')
    expect(code, stderr).toBe(0)
    const read = (run: string) => readFileSync(join(place.folder, 'runs', run, 'sensitivity.md'), 'utf8')
    expect(read('by-name')).toBe(read('tiny'))
  },
  patience,
)
