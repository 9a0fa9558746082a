import { configuredAddress } from '../server/index.js'
import type { Common } from './options.js'
import { readSettings } from './settings.js'

/** The Temporal server that the user names: on the command line, for Temporal's tools, or in settings files. */
export const addressOf = ({ address }: Common): string | undefined =>
  address ?? configuredAddress() ?? readSettings().address
