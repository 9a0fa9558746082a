import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../store/paths.js'
import { knock } from './health.js'

/** The Go compiler on PATH, and what it would need to build the embedded server. */
export interface GoCompiler {
  readonly version: string
  /** The version that the server's go.mod asks for. */
  readonly needed: string
  /** `older-fetches`: it is older, but fetches the version that is needed by itself, as Go does since 1.21. */
  readonly state: 'enough' | 'older-fetches' | 'too-old'
  /** Whether the server's modules are on this machine, so that building needs no network. */
  readonly hasModules: boolean
}

/** @returns undefined if there is none, or it does not start */
export async function findGo(): Promise<GoCompiler | undefined> {
  const goMod = readFileSync(join(packageRoot(), 'server/temporal-server/go.mod'), 'utf8')
  const needed = /^go (\S+)$/m.exec(goMod)![1]!
  const module = /^\s*go\.temporal\.io\/server (\S+)$/m.exec(goMod)![1]!
  try {
    // Away from go.mod, for which Go might fetch another version of itself.
    const { stdout } = await promisify(execFile)('go', ['env', 'GOVERSION', 'GOTOOLCHAIN', 'GOMODCACHE'], { cwd: '/' })
    const [version = '', toolchain = '', modules = ''] = stdout.split('\n').map((line) => line.trim())
    const own = version.replace(/^go/, '').split(/\s/)[0]!
    return {
      version: own,
      needed,
      state: isAtLeast(own, needed)
        ? 'enough'
        : isAtLeast(own, '1.21') && toolchain !== 'local'
          ? 'older-fetches'
          : 'too-old',
      hasModules: existsSync(join(modules, 'cache/download/go.temporal.io/server/@v', `${module}.zip`)),
    }
  } catch {
    return undefined
  }
}

function isAtLeast(version: string, needed: string): boolean {
  const [own, least] = [version, needed].map((text) => text.split(/[.a-z]/).map(Number))
  for (const [i, number] of least!.entries()) if (own![i] !== number) return (own![i] ?? 0) > number
  return true
}

const host = 'https://temporal.download/'
const patience = 3000

/** Whether the host of Temporal's own program answers, or the proxy that leads there. */
export async function downloadAnswers(): Promise<boolean> {
  const proxy = process.env.HTTPS_PROXY ?? process.env.https_proxy ?? ''
  if (proxy !== '') {
    const [, place = ''] = /^(?:[a-z]+:\/\/)?(?:[^@/]*@)?([^/]+)/i.exec(proxy) ?? []
    return (await knock(place, patience)).state === 'serves'
  }
  return fetch(host, { method: 'HEAD', signal: AbortSignal.timeout(patience) }).then(
    () => true,
    () => false,
  )
}
