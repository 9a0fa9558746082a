import { Failure } from '../api/index.js'
import { configuredAddress, holdsCredentials, isLoopback } from '../server/index.js'
import { checkDestination } from './folder-settings.js'
import type { Common } from './options.js'
import { readSettings, settingsPlaces } from './settings.js'

/**
 * The Temporal server that the user names: on the command line, for Temporal's tools, or in settings files.
 * @throws Failure InvalidInput if only the file of the current folder names it, which may be a stranger's, and it is on another
 *   machine, or the user's credentials would go there
 */
export function addressOf({ address }: Common): string | undefined {
  const named = address ?? configuredAddress()
  if (named !== undefined) return named
  const settings = readSettings()
  const { address: found, addressFile: file } = settings
  if (found === undefined || file === undefined) return undefined
  const [ofFolder, ofUser] = settingsPlaces()
  const instead = [`--address ${found}`, `TEMPORAL_ADDRESS=${found}`, `the line \`address: ${found}\` in ${ofUser}`]
  if (file === ofFolder && holdsCredentials())
    throw new Failure(
      'InvalidInput',
      `${file} names the server ${found}, but Temporal's settings hold a key or certificate and do not say that it is for that server`,
      { file, remedy: `If it is: ${instead.slice(0, 2).join(', ')}, or ${instead[2]}.` },
    )
  checkDestination({ what: 'server', value: found, file, isElsewhere: !isLoopback(found), instead }, settings)
  return found
}
