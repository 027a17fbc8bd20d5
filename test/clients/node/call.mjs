// How the scripts of this folder call the tools of @makehq/sdk.
import { Make } from '@makehq/sdk';
import { MakeTools } from '@makehq/sdk/tools';

export const make = new Make(process.env.MAKE_API_KEY, process.env.MAKE_ZONE);
export const teamId = Number(process.env.MAKE_TEAM);
export const uncalled = new Map(MakeTools.map((tool) => [tool.name, tool]));
const tools = new Map(uncalled);

export function report(line) {
    console.log(JSON.stringify(line));
}

// attempt returns what a function returns; {} if it fails.
export async function attempt(name, execute) {
    try {
        const result = await execute();
        report({ name });
        return result;
    } catch (error) {
        report({ name, status: error.statusCode, error: String(error.message) });
        return {};
    }
}

// call returns a tool's result; {} if it fails.
export async function call(name, args = {}) {
    const tool = tools.get(name);
    uncalled.delete(name);
    return attempt(name, () => {
        const missing = (tool.inputSchema.required ?? []).filter((argument) => args[argument] === undefined);
        if (missing.length > 0) throw new Error(`no value for ${missing}`);
        return tool.execute(make, args);
    });
}

// find calls a listing tool and returns its first row that fits; {} if there is none, which is an error.
export async function find(name, args, fits = () => true) {
    const rows = await call(name, args);
    const row = Array.isArray(rows) ? rows.find(fits) : undefined;
    if (!row) report({ name, error: `found nothing in ${JSON.stringify(rows)}` });
    return row ?? {};
}
