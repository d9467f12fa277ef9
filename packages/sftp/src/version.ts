/** The version of this package, as a client of version 5 or later is told it. A test holds it to package.json. */
export const softwareVersion = '0.1.0'
