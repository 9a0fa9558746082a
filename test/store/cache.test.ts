import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { Cache } from '../../store/cache.js'
import { digestBytes, type Digest } from '../../store/digest.js'
import { temporaryFolder } from '../temporary-folder.js'

let root: string
let fetched: string[]
beforeEach(() => {
  root = temporaryFolder('cache')
  fetched = []
})

/** Ten bytes that begin with a name. */
const content = (name: string) => name.padEnd(10, '.')
const digestOf = (name: string): Digest => digestBytes(content(name))

/** Opens what has a name as the store does; noted when it had to be fetched. */
function open(cache: Cache, name: string): Promise<string> {
  return cache.open(digestOf(name), 10, async (path) => {
    fetched.push(name)
    writeFileSync(path, content(name))
  })
}
/** The same, and done with it at once. `hour` orders the uses. */
async function use(cache: Cache, name: string, hour: number): Promise<void> {
  await open(cache, name)
  await cache.release()
  const time = new Date(Date.UTC(2026, 0, 1, hour))
  const file = join(root, 'files', digestOf(name))
  if (existsSync(file)) utimesSync(file, time, new Date(Date.UTC(2026, 0, 1)))
}
const cached = (...names: string[]) => names.filter((name) => existsSync(join(root, 'files', digestOf(name))))

test('what was read once is not fetched again, by no process', async () => {
  const cache = new Cache(root, 1000)
  expect(readFileSync(await open(cache, 'a'), 'utf8')).toBe(content('a'))
  await open(cache, 'a')
  await open(new Cache(root, 1000), 'a')
  expect(fetched).toEqual(['a'])
})

test('what several ask for at once is fetched once', async () => {
  const cache = new Cache(root, 1000)
  const paths = await Promise.all([open(cache, 'a'), open(cache, 'a')])
  expect([fetched, paths[0]]).toEqual([['a'], paths[1]])
})

test('when there is no room, what was used least recently goes', async () => {
  const cache = new Cache(root, 30)
  for (const [i, name] of ['a', 'b', 'c'].entries()) await use(cache, name, i)
  await use(cache, 'a', 5)
  await use(cache, 'd', 6)
  expect(cached('a', 'b', 'c', 'd')).toEqual(['a', 'c', 'd'])
})

test('what is in use stays, though the bound is exceeded, until it is released', async () => {
  const [cache, other] = [new Cache(root, 20), new Cache(root, 20)]
  const path = await open(cache, 'a')
  utimesSync(path, new Date(0), new Date(0))
  for (const [i, name] of ['b', 'c', 'd'].entries()) await use(other, name, i)
  expect(readFileSync(path, 'utf8')).toBe(content('a'))
  expect(cached('a', 'b', 'c', 'd')).toEqual(['a', 'd'])
  await cache.release()
  expect(existsSync(path)).toBe(false)
  utimesSync(join(root, 'files', digestOf('a')), new Date(0), new Date(0))
  await use(other, 'e', 9)
  expect(cached('a', 'd', 'e')).toEqual(['d', 'e'])
})

test('what a process of this machine held that was killed is given up', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  mkdirSync(join(root, 'open', `${hostname()},${dead}.abc`), { recursive: true })
  mkdirSync(join(root, 'open', `another-machine,${dead}.abc`), { recursive: true })
  const cache = new Cache(root, 10)
  await open(cache, 'a')
  expect(readdirSync(join(root, 'open')).filter((name) => name.endsWith('abc'))).toEqual([
    `another-machine,${dead}.abc`,
  ])
})

test('a cached file that has changed is fetched again', async () => {
  await use(new Cache(root, 1000), 'a', 1)
  writeFileSync(join(root, 'files', digestOf('a')), 'damaged')
  expect(readFileSync(await open(new Cache(root, 1000), 'a'), 'utf8')).toBe(content('a'))
  expect(fetched).toEqual(['a', 'a'])
})

test('what cannot be fetched leaves nothing behind', async () => {
  const cache = new Cache(root, 1000)
  const fetch = async (path: string) => {
    writeFileSync(path, 'half')
    throw new Error('the connection broke')
  }
  await expect(cache.open(digestOf('a'), 10, fetch)).rejects.toThrow('the connection broke')
  expect(readdirSync(join(root, 'scratch'))).toEqual([])
  expect(cached('a')).toEqual([])
})

test('on a disk that is smaller than the bound all that nobody uses goes', async () => {
  const cache = new Cache(root, 1000)
  await use(cache, 'a', 1)
  const held = await open(cache, 'b')
  let isFull = true
  const path = await cache.open(digestOf('c'), 10, async (temporary) => {
    if (isFull) {
      isFull = false
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    }
    writeFileSync(temporary, content('c'))
  })
  expect([readFileSync(path, 'utf8'), readFileSync(held, 'utf8')]).toEqual([content('c'), content('b')])
  expect(cached('a', 'b', 'c')).toEqual(['b', 'c'])
})

test('a finished file is taken over', async () => {
  const cache = new Cache(root, 1000)
  const path = join(await cache.scratch(), 'made')
  writeFileSync(path, content('a'))
  await cache.adopt(digestOf('a'), 10, path)
  expect(readFileSync(await open(cache, 'a'), 'utf8')).toBe(content('a'))
  expect([fetched, existsSync(path)]).toEqual([[], false])
})
