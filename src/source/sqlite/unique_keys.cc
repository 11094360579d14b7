#include "source/sqlite/unique_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace forebay::source::sqlite {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// One token of SQL: a word, a quoted name or literal, or a sign.
struct Token {
  std::size_t at = 0;
  std::string_view text;
  bool is(std::string_view word) const { return same_name(text, word); }
  // The name that it is, if it is one: unquoted.
  std::string name() const {
    const char quote = text.front();
    if (quote != '"' && quote != '`' && quote != '[') return std::string(text);
    std::string out;
    const char closing = quote == '[' ? ']' : quote;
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
      out += text[i];
      if (text[i] == closing) ++i;  // doubled
    }
    return out;
  }
};

std::vector<Token> tokens_of(std::string_view sql) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < sql.size();) {
    const std::size_t from = i;
    const char c = sql[i];
    if (is_blank(c)) {
      ++i;
      continue;
    }
    if (sql.substr(i).starts_with("--")) {
      i = std::min(sql.find('\n', i), sql.size());
      continue;
    }
    if (sql.substr(i).starts_with("/*")) {
      const std::size_t end = sql.find("*/", i + 2);
      i = end == std::string_view::npos ? sql.size() : end + 2;
      continue;
    }
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
      const char closing = c == '[' ? ']' : c;
      for (++i; i < sql.size(); ++i) {
        if (sql[i] != closing) continue;
        if (c == '[' || i + 1 >= sql.size() || sql[i + 1] != closing) break;
        ++i;
      }
      i = std::min(i + 1, sql.size());
    } else if (is_word(c)) {
      while (i < sql.size() && is_word(sql[i])) ++i;
    } else {
      ++i;
    }
    tokens.push_back({from, sql.substr(from, i - from)});
  }
  return tokens;
}

// Columns that a text of SQL may name.
std::vector<std::string> columns_in(std::string_view sql, const std::vector<CatalogueColumn>& columns) {
  std::vector<std::string> found;
  const std::vector<Token> tokens = tokens_of(sql);
  for (const CatalogueColumn& column : columns) {
    const auto names = [&](const Token& token) {
      return token.text.front() != '\'' && same_name(token.name(), column.column.name);
    };
    if (std::ranges::any_of(tokens, names)) found.push_back(column.column.name);
  }
  return found;
}

// Has the names of columns mean those of NEW.
std::string of_new(std::string_view expression, const std::vector<std::string>& columns) {
  std::string row;
  for (const std::string& column : columns) {
    const std::string name = quote_identifier(column);
    row += fmt::format("{}NEW.{} AS {}", row.empty() ? "" : ", ", name, name);
  }
  return fmt::format("(SELECT {} FROM (SELECT {}))", expression, row.empty() ? "1" : row);
}

struct Index {
  std::string name;
  std::string sql;  // empty: made by a constraint
};

Result<std::vector<Index>> unique_indexes(Connection& connection, const TableName& table, bool& primary_key) {
  std::vector<Index> indexes;
  auto statement = connection.prepare(
      "SELECT l.name, l.origin, (SELECT s.sql FROM main.sqlite_schema AS s WHERE s.type = 'index' AND s.name "
      "= "
      "l.name) FROM pragma_index_list(?1, 'main') AS l WHERE l.\"unique\" = 1");
  if (!statement) return statement.error();
  statement->bind_text(1, table.name);
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return indexes;
    indexes.push_back({std::string(statement->bytes(0)), std::string(statement->bytes(2))});
    primary_key = primary_key || statement->bytes(1) == "pk";
  }
}

Result<UniqueKey> key_of(Connection& connection, const Index& index,
                         const std::vector<CatalogueColumn>& columns) {
  std::optional<IndexText> text;
  if (!index.sql.empty()) text = parse_index(index.sql);
  auto statement = connection.prepare(
      "SELECT name, coll FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" = 1 ORDER BY seqno");
  if (!statement) return statement.error();
  statement->bind_text(1, index.name);
  UniqueKey key;
  const auto looks_at = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      if (std::ranges::find(key.columns, name) == key.columns.end()) key.columns.push_back(name);
    }
  };
  for (std::size_t term = 0;; ++term) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) break;
    const std::string collation = quote_identifier(statement->bytes(1));
    if (statement->type(0) != SQLITE_NULL) {
      const std::string name = quote_identifier(statement->bytes(0));
      key.matches_new +=
          fmt::format("{}t.{} = NEW.{} COLLATE {}", term == 0 ? "" : " AND ", name, name, collation);
      looks_at({std::string(statement->bytes(0))});
      continue;
    }
    if (!text || term >= text->terms.size()) {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("the unique index {} can't be read, so changes can't be watched", index.name)};
    }
    // Without a table before them, columns are those of the innermost row that there is.
    const std::string& expression = text->terms[term];
    const std::vector<std::string> named = columns_in(expression, columns);
    key.matches_new += fmt::format("{}({}) = {} COLLATE {}", term == 0 ? "" : " AND ", expression,
                                   of_new(expression, named), collation);
    looks_at(named);
  }
  if (text && !text->condition.empty()) {
    key.matches_new += fmt::format(" AND ({})", text->condition);
    looks_at(columns_in(text->condition, columns));
  }
  return key;
}

}  // namespace

std::optional<IndexText> parse_index(std::string_view sql) {
  const std::vector<Token> tokens = tokens_of(sql);
  const auto on = std::ranges::find_if(tokens, [](const Token& token) { return token.is("on"); });
  if (tokens.empty() || !tokens.front().is("create") || tokens.end() - on < 3) return std::nullopt;
  // ON, the table, the list in parentheses, perhaps WHERE.
  auto token = on + 2;
  if (token->text != "(") return std::nullopt;
  IndexText index;
  std::size_t from = token->at + 1;
  std::size_t until = from;
  int depth = 1;
  const auto end_term = [&] {
    std::string_view term = sql.substr(from, until - from);
    while (!term.empty() && is_blank(term.front())) term.remove_prefix(1);
    index.terms.emplace_back(term);
  };
  for (++token; token != tokens.end(); ++token) {
    if (token->text == "(") ++depth;
    if (token->text == ")" && --depth == 0) break;
    if (depth == 1 && token->text == ",") {
      end_term();
      from = until = token->at + 1;
    } else if (depth > 1 || !(token->is("asc") || token->is("desc"))) {
      until = token->at + token->text.size();
    }
  }
  if (token == tokens.end()) return std::nullopt;
  end_term();
  if (++token == tokens.end()) return index;
  if (!token->is("where") || token + 1 == tokens.end()) return std::nullopt;
  const Token& last = tokens.back();
  const std::size_t condition = (token + 1)->at;
  index.condition = sql.substr(condition, last.at + last.text.size() - condition);
  return index;
}

Result<std::vector<UniqueKey>> unique_keys(Connection& connection, const TableName& table,
                                           const std::vector<CatalogueColumn>& columns) {
  std::vector<UniqueKey> all;
  bool primary_key = false;
  auto indexes = unique_indexes(connection, table, primary_key);
  if (!indexes) return indexes.error();
  for (const Index& index : *indexes) {
    auto key = key_of(connection, index, columns);
    if (!key) return key.error();
    all.push_back(std::move(*key));
  }
  // INTEGER PRIMARY KEY is the rowid itself and has no index.
  if (!primary_key) {
    for (const CatalogueColumn& column : columns) {
      if (column.primary_key == 0) continue;
      const std::string name = quote_identifier(column.column.name);
      all.push_back({fmt::format("t.{} = NEW.{} COLLATE \"BINARY\"", name, name), {column.column.name}});
    }
  }
  std::ranges::sort(all);  // the catalogue's order may change with no change of the table
  return all;
}

}  // namespace forebay::source::sqlite
