/*
 * look.c - how the status page looks, and how its tables are sorted.
 */
#include "status.h"

const char *const wsgi_look_style[] = {
    ":root{color-scheme:light dark;--back:#f4f6f9;--card:#fff;--text:#1b2330;"
    "--soft:#5a6575;--line:#dde2ea;--link:#1f55c0;--bad:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{--back:#12161d;--card:#1b212b;"
    "--text:#e4e9f0;--soft:#98a3b3;--line:#2e3644;--link:#8ab4ff;"
    "--bad:#ff9b93}}",
    "*{box-sizing:border-box}body{margin:0 auto;max-width:1400px;"
    "padding:1.2rem;background:var(--back);color:var(--text);"
    "font:15px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .6rem}"
    "p{margin:.15rem 0;color:var(--soft)}code{font-size:.95em}"
    "header p{margin-bottom:1rem}",
    "section{display:grid;gap:.7rem;"
    "grid-template-columns:repeat(auto-fit,minmax(8rem,1fr))}"
    "section div,.wide{background:var(--card);border:1px solid var(--line);"
    "border-radius:.5rem}section div{padding:.6rem .9rem}"
    "section b{display:block;font-size:1.35rem;font-weight:600;"
    "font-variant-numeric:tabular-nums}section span{color:var(--soft)}",
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "th,td{padding:.45rem .7rem;text-align:left;vertical-align:top;"
    "border-top:1px solid var(--line)}thead th{border-top:0;color:var(--soft);"
    "font-weight:600;font-size:.85rem;white-space:nowrap}"
    "tbody th{font-weight:400;overflow-wrap:anywhere;min-width:18rem}"
    "tbody th p{font-size:.85rem}tbody th code{font-weight:600}"
    ".n{text-align:right;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}tbody p.bad{color:var(--bad)}",
    "thead button{all:unset;cursor:pointer}thead button:hover,"
    "thead button:focus-visible{text-decoration:underline}"
    "[aria-sort=ascending] button:after{content:\" \\2191\"}"
    "[aria-sort=descending] button:after{content:\" \\2193\"}"
    "footer{margin-top:1.4rem;display:flex;gap:1rem;color:var(--soft)}"
    "a{color:var(--link)}",
    "@media(max-width:760px){body{padding:.8rem}"
    "section{grid-template-columns:repeat(auto-fit,minmax(6.5rem,1fr))}"
    "table,tbody,tr,th,td{display:block}"
    "thead{display:none}tbody tr{display:grid;"
    "grid-template-columns:repeat(3,1fr);padding:.6rem .8rem;"
    "border-top:1px solid var(--line)}tbody tr:first-child{border-top:0}"
    "tbody th{grid-column:1/-1;min-width:0}tbody th,tbody td{border:0;"
    "padding:.15rem 0}tbody "
    "td.n{text-align:left}td:before{content:attr(data-n);"
    "display:block;font-size:.75rem;color:var(--soft)}}",
    NULL};

const char *const wsgi_look_script[] = {
    "document.querySelectorAll('thead th').forEach(function(head){"
    "var button=document.createElement('button');"
    "button.type='button';button.textContent=head.textContent;"
    "head.textContent='';head.appendChild(button);"
    "button.addEventListener('click',function(){"
    "var all=head.parentNode.children,i=[].indexOf.call(all,head);"
    "var up=head.getAttribute('aria-sort')==='descending'||"
    "(!head.hasAttribute('aria-sort')&&!head.classList.contains('n'));"
    "[].forEach.call(all,function(th){th.removeAttribute('aria-sort')});"
    "head.setAttribute('aria-sort',up?'ascending':'descending');",
    "var body=head.closest('table').tBodies[0];"
    "function value(row){var cell=row.children[i];"
    "return cell.dataset.v!==undefined?+cell.dataset.v:cell.textContent}"
    "[].slice.call(body.rows).sort(function(a,b){"
    "var x=value(a),y=value(b);"
    "var order=typeof x==='number'?x-y:"
    "x.localeCompare(y,undefined,{numeric:true});"
    "return up?order:-order}).forEach(function(row){body.appendChild(row)})"
    "})});",
    NULL};
