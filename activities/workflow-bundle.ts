import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Failure } from '../api/index.js'
import { cacheDirectory, packageRoot } from '../store/paths.js'
import { buildId } from './build-id.js'
import { asNamed, bundleWorkflows, type Workflows } from './bundle-workflows.js'
import { shown } from '../errors/foreign.js'

/**
 * The workflows as the sandbox takes them. Bundling takes seconds, and a worker that was killed is to be replaced at once:
 * what was bundled is kept for as long as the code and the SDK, which wants bundles of its own version, are the same.
 * @param failureConverterPath  of a module in the bundle; default: Temporal's own
 */
export async function workflowBundle(failureConverterPath?: string): Promise<{ readonly code: string }> {
  const { version } = createRequire(import.meta.url)('@temporalio/worker/package.json') as { version: string }
  const folder = join(cacheDirectory(), 'workflows')
  const kept = join(folder, `${buildId()}-${version}${failureConverterPath === undefined ? '' : '-encrypted'}.js`)
  if (existsSync(kept)) return { code: readFileSync(kept, 'utf8') }
  const compiled = fileURLToPath(new URL('../workflows/index.js', import.meta.url))
  const workflows = {
    workflowsPath: existsSync(compiled) ? compiled : compiled.replace(/\.js$/, '.ts'),
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
  }
  const code = isPlain(packageRoot()) ? await bundleWorkflows(workflows) : await bundleByLink(workflows)
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${kept}.${process.pid}.tmp`, code)
    renameSync(`${kept}.${process.pid}.tmp`, kept)
  } catch {
    // Without a cache it is bundled again next time.
  }
  return { code }
}

/** Of other characters some mean something to webpack: what stands before a `!` is a loader, behind a `?` an option. */
const isPlain = (path: string) => /^[\w./-]*$/.test(path)

/** Bundles in a process that knows this folder by a link with a plain name. */
async function bundleByLink(workflows: Workflows): Promise<string> {
  const root = packageRoot()
  const names = root.split('/')
  const last = names.findLastIndex((name) => !isPlain(name))
  // All that is imported lies below the folder that is named oddly.
  const [odd, below] = [names.slice(0, last + 1).join('/'), names.slice(last + 1)]
  const place = plainFolder(root)
  const link = join(place, 'code')
  const linked = (path: string) => join(link, path.slice(odd.length))
  try {
    symlinkSync(odd, link)
    const program = join(link, ...below, 'dist/activities/bundle-workflows.js')
    const order = JSON.stringify(
      Object.fromEntries(Object.entries(workflows).map(([name, path]) => [name, linked(path)])),
    )
    const target = join(place, 'bundle.js')
    await promisify(execFile)(process.execPath, [asNamed, '--preserve-symlinks-main', program, order, target])
    return readFileSync(target, 'utf8')
  } catch (cause) {
    throw new Failure('InvalidInput', `The workflows cannot be bundled under ${shown(odd)}`, {
      cause,
      remedy: 'Move puzzleflow to a folder whose path has only letters, digits and hyphens.',
    })
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** A new folder for temporary files whose path is plain. */
function plainFolder(root: string): string {
  for (const folder of [tmpdir(), '/tmp', '/var/tmp', dirname(cacheDirectory())])
    try {
      if (isPlain(folder)) return mkdtempSync(join(folder, 'puzzleflow-workflows-'))
    } catch {
      // The next one.
    }
  throw new Failure(
    'InvalidInput',
    `puzzleflow is installed in ${shown(root)}, and no folder with a plain path can hold a link to it`,
    {
      remedy: 'Set TMPDIR to a folder whose path has only letters, digits and hyphens.',
    },
  )
}
