import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test, vi } from 'vitest'
import { placeWhole, outcomeFolder } from '../../cli/outcome.js'
import { lookAt } from '../../data/data-file.js'
import { openHarness } from '../../data/harness/read.js'
import { Failure } from '../../errors/failure.js'
import { openModel } from '../../model/index.js'
import { exportFormats } from '../../model/exports.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { findPlugin } from '../../plugins/loading/find.js'
import { freezeProgram } from '../../plugins/stages/command/program.js'
import { digestPath } from '../../spec/input-digests.js'
import { temporaryFolder } from '../temporary-folder.js'
import { packageRoot } from '../../store/paths.js'

/** What something is refused with. */
async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    return (error as Error).message
  }
  return 'done'
}

/** A named pipe that nobody writes to. */
function pipe(path: string): string {
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
  return path
}

/** A copy of the quickstart's parent. */
function model(): string {
  const folder = join(temporaryFolder(), 'model')
  cpSync(join(packageRoot(), 'examples/quickstart/parent'), folder, { recursive: true, dereference: true })
  return folder
}

test.each(['LICENSE', 'README.md', 'tokenizer_config.json', 'additional_chat_templates'])(
  'an export never copies what a link %s leads to',
  async (name) => {
    const [folder, elsewhere] = [model(), temporaryFolder()]
    mkdirSync(join(elsewhere, 'templates'))
    const secret = '{"a":"TOP-SECRET"}\n\n## Evidence\n\nTOP-SECRET\n'
    for (const file of ['key', 'templates/x.jinja']) writeFileSync(join(elsewhere, file), secret)
    spawnSync('rm', ['-rf', join(folder, name)])
    symlinkSync(join(elsewhere, name === 'additional_chat_templates' ? 'templates' : 'key'), join(folder, name))
    const out = join(temporaryFolder(), 'out')
    const write = async () => exportFormats.hf!.write(await openModel(folder, makeBlocks()), out, 'float32')
    expect(await refusal(write)).not.toBe('done')
    expect(spawnSync('grep', ['-r', 'TOP-SECRET', out]).stdout.toString()).toBe('')
  },
)

test('a model card within the folder is read, whether or not a link leads to it', async () => {
  const folder = model()
  writeFileSync(join(folder, 'card.md'), '# A model\n\n## Evidence\n\nMeasured.\n')
  symlinkSync('card.md', join(folder, 'README.md'))
  const out = join(temporaryFolder(), 'out')
  await exportFormats.hf!.write(await openModel(folder, makeBlocks()), out, 'float32')
  expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('## Evidence\n\nMeasured.')
})

test('named pipes and devices are refused before they are opened', async () => {
  const folder = temporaryFolder()
  pipe(join(folder, 'a.jsonl'))
  expect(await refusal(() => lookAt(join(folder, 'a.jsonl')))).toContain('is not a file')
  pipe(join(folder, 'include.yaml'))
  writeFileSync(join(folder, 'task.yaml'), 'include: include.yaml\ntask: a\n')
  expect(await refusal(() => openHarness(join(folder, 'task.yaml')))).toContain('is a named pipe, not a file')
  mkdirSync(join(folder, 'plugin'))
  pipe(join(folder, 'plugin/package.json'))
  expect(await refusal(() => findPlugin('./plugin', folder))).toContain('it is not a file')
  mkdirSync(join(folder, 'device'))
  symlinkSync('/dev/zero', join(folder, 'device/package.json'))
  expect(await refusal(() => findPlugin('./device', folder))).toContain('it is not a file')
  pipe(join(folder, 'model.safetensors'))
  const digest = () => digestPath(folder, { files: () => ['model.safetensors'] })
  expect(await refusal(digest)).toContain('is a named pipe, not a file')
})

test.each<[string, (folder: string) => void]>([
  ['itself', (folder) => symlinkSync('loop', join(folder, 'loop'))],
  ['its folder', (folder) => symlinkSync('.', join(folder, 'loop'))],
  ['the folder above, twice', (folder) => ['a', 'b'].forEach((name) => symlinkSync('../..', join(folder, name)))],
  ['/', (folder) => symlinkSync('/', join(folder, 'loop'))],
])('a folder with a link to %s is not walked for ever', async (_, link) => {
  const folder = join(temporaryFolder(), 'above', 'folder')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'file'), 'a')
  link(folder)
  expect(await refusal(() => digestPath(folder))).toMatch(/is a link to a folder that it lies in|ELOOP/)
  const spec = join(folder, '..')
  const freeze = () => freezeProgram(['run'], [{ written: relative(spec, folder), folder: spec }])
  expect(await refusal(freeze)).toMatch(/is a link to a folder that it lies in|outside the spec|ELOOP/)
})

test('two folders that link to each other are not walked for ever, and links beside each other are followed', async () => {
  const folder = temporaryFolder()
  for (const name of ['a', 'b']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'a/file'), 'a')
  symlinkSync('../a', join(folder, 'b/a'))
  expect(Object.keys((await digestPath(folder)).listing!)).toEqual(['a/file', 'b/a/file'])
  symlinkSync('../b', join(folder, 'a/b'))
  expect(await refusal(() => digestPath(folder))).toMatch(/is a link to a folder that it lies in/)
})

test.each(['runs', 'runs/search'])(
  'results are not written through a link %s in somebody else’s folder',
  async (link) => {
    const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()]
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    if (link !== 'runs') mkdirSync(join(folder, 'runs'))
    symlinkSync(elsewhere, join(folder, link))
    expect(await refusal(() => outcomeFolder('search'))).toContain('is a symbolic link, which is not followed')
    vi.restoreAllMocks()
  },
)

test('a link where a temporary file will be is replaced, not followed', () => {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()]
  writeFileSync(join(elsewhere, 'profile'), 'mine')
  symlinkSync(join(elsewhere, 'profile'), join(folder, 'result.json.tmp'))
  symlinkSync(join(elsewhere, 'profile'), join(folder, 'result.json'))
  placeWhole(folder, 'result.json', (path) => writeFileSync(path, 'new'))
  expect(readFileSync(join(folder, 'result.json'), 'utf8')).toBe('new')
  expect(readFileSync(join(elsewhere, 'profile'), 'utf8')).toBe('mine')
})

test('failures of this kind name the file and a remedy', async () => {
  const folder = temporaryFolder()
  symlinkSync('.', join(folder, 'loop'))
  const error: unknown = await digestPath(folder).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(Failure)
  expect(error).toMatchObject({
    kind: 'InvalidInput',
    file: join(folder, 'loop'),
    remedy: expect.any(String) as string,
  })
})
