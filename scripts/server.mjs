// The Temporal server's part of set-up. Imports Node's own modules only.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { builtProgram } from '../server/temporal-server/build.mjs'
import { root } from './setup.mjs'

/**
 * Begins to build the embedded server where it will be needed: where there is no other (server/programs.ts), and the official
 * one cannot be downloaded. Whether it could be built is found out by whoever starts it.
 * @returns a promise of its end
 */
export async function buildServer() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const target = builtProgram()
  const downloaded = join(dirname(dirname(dirname(target))), 'temporal-cli', 'temporal')
  if ([target, downloaded, ...folders.map((folder) => join(folder, 'temporal'))].some((path) => existsSync(path)))
    return
  if (spawnSync('go', ['version']).status !== 0) return
  // In a process of its own, for what follows blocks this one.
  const child = spawn(process.execPath, [join(root, 'scripts', 'server.mjs')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  process.once('exit', () => child.kill())
  await new Promise((resolve) => child.once('close', resolve))
}

if (process.argv[1] === join(root, 'scripts', 'server.mjs')) {
  const reached = await fetch('https://temporal.download/', { signal: AbortSignal.timeout(5000) }).then(
    () => true,
    () => false,
  )
  if (!reached) {
    console.error('setup: building the Temporal server beside it (once, about two and a half minutes on two cores) …')
    const builder = spawn(process.execPath, [join(root, 'server/temporal-server/build.mjs')], { stdio: 'ignore' })
    process.once('SIGTERM', () => builder.kill())
  }
}
