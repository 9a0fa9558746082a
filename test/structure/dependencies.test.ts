import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

const textOf = (path: string) => readFileSync(join(packageRoot(), path), 'utf8')
const { dependencies, devDependencies, files } = JSON.parse(textOf('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly files: readonly string[]
}

test('every dependency is used by what is published', () => {
  const rooms = files.flatMap((path) => /^dist\/(\w+)$/.exec(path)?.[1] ?? [])
  const texts = rooms.flatMap((room) =>
    readdirSync(join(packageRoot(), room), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => textOf(`${room}/${path}`)),
  )
  const isUsed = (name: string) =>
    texts.some((text) => new RegExp(`(from|import|import\\(|resolve\\() ?'${name}(/[^']*)?'`).test(text))
  expect(Object.keys(dependencies).filter((name) => !isUsed(name))).toEqual([])
})

test('docs/decisions.md names every dependency with its licence', () => {
  const entries = textOf('docs/decisions.md').split('\n')
  const missing = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => {
    const { license } = JSON.parse(textOf(`node_modules/${name}/package.json`)) as { license: string }
    return !entries.some((entry) => entry.includes(name) && entry.includes(license))
  })
  expect(missing).toEqual([])
})
