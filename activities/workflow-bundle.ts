import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheDirectory } from '../store/paths.js'
import { buildId } from './build-id.js'

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
  const workflowsPath = existsSync(compiled) ? compiled : compiled.replace(/\.js$/, '.ts')
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    logger: new DefaultLogger('WARN'),
    ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
  })
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${kept}.${process.pid}.tmp`, code)
    renameSync(`${kept}.${process.pid}.tmp`, kept)
  } catch {
    // Without a cache it is bundled again next time.
  }
  return { code }
}
