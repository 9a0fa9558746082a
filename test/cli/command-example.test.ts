import { cpSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, inject, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { serverTimeout, testServer } from '../temporal.js'
import { Place } from './puzzleflow.js'

let place: Place
afterEach(() => place.close())

test(
  'the example of stages in other languages runs as its README says, and is reused',
  async () => {
    const { address, client } = await testServer()
    await client.connection.close()
    place = new Place(mkdtempSync(join(tmpdir(), 'puzzleflow-letters-')), inject('stateHome'))
    place.environment.XDG_CACHE_HOME = join(place.folder, 'cache')
    for (const name of ['command-stage', 'word-count'])
      cpSync(join(packageRoot(), 'examples', name), join(place.folder, 'examples', name), { recursive: true })
    const spec = ['examples/command-stage/letters.yaml', '--allow-plugin', './examples/command-stage', '--json']
    const { code, stdout } = await place.run('run', ...spec, '--address', address)
    expect(code).toBe(0)
    const letters = readFileSync(join(place.folder, 'examples/word-count/text.txt'), 'utf8')
      .toLowerCase()
      .match(/[a-z]/g)!
    const times = (letter: string) => letters.filter((own) => own === letter).length
    const top = [...new Set(letters)].sort((a, b) => times(b) - times(a) || (a < b ? -1 : 1))
    expect(JSON.parse(stdout)).toMatchObject({
      stages: { letters: { letters: letters.length, distinct: top.length }, top: { top: top.slice(0, 5).join('') } },
    })
    const { stages } = JSON.parse((await place.run('plan', ...spec)).stdout) as { stages: object[] }
    expect(stages).toMatchObject([{ reused: 1 }, { reused: 1 }])
  },
  serverTimeout,
)
