import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bundleFile, mapFile } from '../../plugins/loading/bundle.js'
import { compilePlugin } from '../../plugins/loading/compile.js'
import { findPlugin } from '../../plugins/loading/find.js'
import { digestBytes } from '../../store/digest.js'
import { echoPlugin, folderWith, inside, manifest } from './folders.js'

const digestIn = (folder: string, path = './mine') => compilePlugin(findPlugin(path, folder))

const typed = {
  'package.json': manifest('typed', './source/index.ts'),
  'source/index.ts': `import { name } from './name.js'\nimport data from './data.json'\nexport default { name, data }`,
  'source/name.ts': `/** A name. */\nexport const name: string = 'a'`,
  'source/data.json': '{ "n": 1 }',
}

test('the digest of a plugin does not depend on where its folder lies', async () => {
  const [here, there] = [folderWith(inside('mine', typed)), folderWith(inside('some/other/place', typed))]
  expect(await digestIn(here)).toBe(await digestIn(there, './some/other/place'))
})

test('nor on the source map beside the module, which says where lines come from', async () => {
  const folder = folderWith(inside('mine', typed))
  const digest = await digestIn(folder)
  const module = readFileSync(bundleFile(digest), 'utf8')
  expect(digestBytes(module)).toBe(digest)
  expect(module).not.toContain('sourceMappingURL')
  const map = JSON.parse(readFileSync(mapFile(digest), 'utf8')) as { sources: string[] }
  expect([...map.sources].sort()).toEqual(['source/data.json', 'source/index.ts', 'source/name.ts'])
})

test('nor on how far above the folder its dependencies lie', async () => {
  const dependent = {
    'package.json': manifest('dependent'),
    'index.js': `import old from 'old'\nimport { young } from 'young'\nexport default { old, young }`,
  }
  const dependencies = inside('node_modules', {
    'old/package.json': '{ "name": "old", "main": "main.js" }',
    'old/main.js': 'module.exports = { path: require("node:path").sep }',
    'young/package.json': '{ "name": "young", "type": "module", "exports": "./main.js" }',
    'young/main.js': 'export class Young {}\nexport const young = () => new Young()',
  })
  const near = folderWith({ ...inside('mine', dependent), ...dependencies })
  const far = folderWith({ ...inside('a/b/c/mine', dependent), ...dependencies })
  expect(await digestIn(near)).toBe(await digestIn(far, './a/b/c/mine'))
})

test('nor on a tsconfig.json around it', async () => {
  const strange = JSON.stringify({
    compilerOptions: { target: 'es5', useDefineForClassFields: false, jsx: 'preserve' },
  })
  const source = {
    'package.json': manifest('classy', './index.ts'),
    'index.ts': 'class A { b = 1 }\nexport default new A()',
  }
  const plain = folderWith(inside('mine', source))
  const surrounded = folderWith({ ...inside('mine', source), 'tsconfig.json': strange, 'mine/tsconfig.json': strange })
  expect(await digestIn(plain)).toBe(await digestIn(surrounded))
})

test('the digest covers code, dependencies, name and version', async () => {
  const changes = [
    typed,
    { ...typed, 'source/name.ts': `export const name = 'b'` },
    { ...typed, 'source/data.json': '{ "n": 2 }' },
    { ...typed, 'package.json': manifest('typed', './source/index.ts', { version: '1.2.4' }) },
    { ...typed, 'package.json': manifest('other', './source/index.ts') },
  ]
  const digests = await Promise.all(changes.map((files) => digestIn(folderWith(inside('mine', files)))))
  expect(new Set(digests).size).toBe(changes.length)
})

test('what is no code does not change it', async () => {
  const noted = { ...echoPlugin(), 'README.md': 'new', 'test.js': 'throw 1' }
  expect(await digestIn(folderWith(inside('mine', echoPlugin())))).toBe(
    await digestIn(folderWith(inside('mine', noted))),
  )
})
