import {
  downloadAnswers,
  findGo,
  noServerRemedy,
  presentProgram,
  reach,
  refuseOddFolder,
  serverStatus,
} from '../../server/index.js'
import { addressOf } from '../address.js'
import type { Common } from '../options.js'
import { typed } from '../typed.js'
import { failed, missing, ok, type Check } from './check.js'

const name = 'Temporal server'

/** Milliseconds that a server of the user's may take to answer. */
const patience = 3000

/** Whether there is a server, or can be one: the one that is named, one that runs, or one that the next command starts, downloads
 *  or builds. Starts, downloads and builds nothing. */
export async function serverCheck(options: Common): Promise<Check> {
  try {
    const address = addressOf(options)
    if (address !== undefined) {
      await reach(address, patience)
      return ok(name, `${address} answers`)
    }
    const running = await serverStatus()
    if (running) return ok(name, `runs at ${running.address}`)
    const program = await presentProgram()
    if (!program) return await obtainable()
    refuseOddFolder(program)
    return ok(name, `none is running; a search starts ${program.source}`)
  } catch (error) {
    return failed(name, error)
  }
}

/** How a machine without a server gets one, in the order in which a search tries it. */
async function obtainable(): Promise<Check> {
  const none = 'there is no program here yet'
  const start = `${typed('server', 'start')} does so now.`
  if (await downloadAnswers())
    return {
      name,
      state: 'warning',
      found: `${none}; the first search downloads it from temporal.download`,
      remedy: start,
    }
  const go = await findGo()
  if (!go)
    return missing(name, 'NoServer', `${none}: temporal.download does not answer, and there is no Go`, noServerRemedy)
  if (go.state === 'too-old')
    return missing(
      name,
      'NoServer',
      `${none}, and Go ${go.version} is too old to build it: ${go.needed} is needed`,
      noServerRemedy,
    )
  // C is not needed: it is built with CGO_ENABLED=0.
  const asks = [...(go.state === 'older-fetches' ? [`Go ${go.needed}`] : []), ...(go.hasModules ? [] : ['its modules'])]
  const fetches = asks.length === 0 ? '' : `, which fetches ${asks.join(' and ')} from the Go module proxy`
  const found = `${none}; the first search builds it with Go ${go.version}${fetches}`
  return { name, state: 'warning', found, remedy: `${start} Two and a half minutes on two cores, once.` }
}
