import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { writeTinySearch } from '../cli/tiny-search.js'
import { Place } from '../cli/puzzleflow.js'
import { serverTimeout, testServer } from '../temporal.js'

/** A network of its own with nothing but a loopback: as root, or as a user who may make one. */
const namespace = process.getuid?.() === 0 ? ['-n'] : ['-rn']

/** What the kernel counts of a network: connections and packets that have no way out, and questions to a name server on
 *  loopback that is not there. */
const counters = `grep -hE '^(Ip|Udp): [0-9]' /proc/net/snmp | tail -n 2; grep -E 'Ip6OutNoRoutes|Udp6NoPorts' /proc/net/snmp6`

/** Runs a shell script in such a network. @returns what it printed, and how often it tried to leave */
function offline(script: string, place?: Place): { code: number | null; output: string; tries: number } {
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [
      ...namespace,
      'sh',
      '-c',
      `ip link set lo up || exit 99\n${script}\ncode=$?\necho; echo COUNTERS; ${counters}; exit $code`,
    ],
    { encoding: 'utf8', ...(place && { cwd: place.folder, env: place.environment }) },
  )
  const [output = '', counts = ''] = (stdout ?? '').split('\nCOUNTERS\n')
  const number = (pattern: RegExp) => Number(pattern.exec(counts)?.[1] ?? NaN)
  const tries =
    number(/^Ip: (?:\d+ ){11}(\d+)/m) +
    number(/^Udp: \d+ (\d+)/m) +
    number(/Ip6OutNoRoutes\s+(\d+)/) +
    number(/Udp6NoPorts\s+(\d+)/)
  return { code: status, output: `${output}${stderr ?? ''}`, tries }
}

const isPossible = process.platform === 'linux' && offline('true').code === 0
const why = isPossible ? '' : ' (skipped: this user cannot make a network of its own)'

let place: Place | undefined
afterAll(() => place?.close())

test.skipIf(!isPossible)(`the kernel counts who tries to leave a network without a way out${why}`, () => {
  const node = (code: string) => `${process.execPath} -e '${code}'`
  const quiet = 'const s = require("net").createServer().listen(0, "127.0.0.1", () => s.close())'
  expect(offline(node(quiet))).toMatchObject({ code: 0, tries: 0 })
  for (const tries of [
    'require("net").connect(443, "192.0.2.1").on("error", () => 0)',
    'require("net").connect(443, "2001:db8::1").on("error", () => 0)',
    'require("dgram").createSocket("udp4").send("x", 53, "192.0.2.1", () => process.exit())',
    'require("dns").lookup("a.example", () => 0)',
  ])
    expect(offline(node(tries)).tries, tries).toBeGreaterThan(0)
})

test.skipIf(!isPossible)(
  `a whole search with server, worker and exports succeeds without a network, and nothing tries to leave${why}`,
  async () => {
    // Where the server's program must first be built, the network is needed once.
    await (await testServer()).client.connection.close()
    const folder = await writeTinySearch()
    place = new Place(folder)
    const command = `${process.execPath} ${join(packageRoot(), 'dist/cli/main.js')}`
    const { code, output, tries } = offline(
      `set -e
       ${command} validate search.yaml
       ${command} plan search.yaml
       ${command} run search.yaml --json > result.json
       ${command} status
       ${command} generate runs/tiny/child --prompt 'an ant' -n 3
       ${command} export runs/tiny/child --format onnx -o onnx
       ${command} doctor || true
       ${command} server stop`,
      place,
    )
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'))).toMatchObject({ run: 'tiny' })
    expect(tries).toBe(0)
  },
  serverTimeout,
)
