// Reads the CSV files of e2e_tables.py with DuckDB, which finds the types of the columns itself.
// node duckdb.js NUMBERS CALENDAR MIXED DATASET
const { DuckDBInstance } = require("@duckdb/node-api");

async function main([numbers, calendar, mixed, dataset]) {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const rows = async (query) => (await connection.runAndReadAll(query)).getRowsJson();
  console.log(JSON.stringify({
    numbers: (await rows(`SELECT count(*)::INT, sum(d), min(t), max(t) FROM read_csv('${numbers}')`))[0],
    calendar: (await rows(`SELECT count(*)::INT, sum(d), min(epoch(t)), max(epoch(t)) FROM read_csv('${calendar}')`))[0],
    texts: (await rows(`SELECT d FROM read_csv('${mixed}', all_varchar = true) ORDER BY t::DOUBLE`)).map((row) => row[0]),
    columns: (await rows(`SELECT name FROM (DESCRIBE SELECT * FROM read_csv('${dataset}')) AS d(name, type, a, b, c, e)`))
      .map((row) => row[0]),
    dataset: await rows(`SELECT t::DOUBLE, x, temperature, door FROM read_csv('${dataset}') ORDER BY t`),
  }));
}

main(process.argv.slice(2)).catch((error) => { console.error(error); process.exit(1); });
