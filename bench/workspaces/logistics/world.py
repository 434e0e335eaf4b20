"""The operations desk's tools, in memory."""

from __future__ import annotations

from typing import Any

from bench.workspaces.world import ToolError, World, has_words, tool

_SHIPPED = {"delivered", "shipped"}


class Logistics(World):
    """Orders, stock, suppliers, money, files, web pages, tickets and services of a dealer."""

    def _order(self, order_id: str) -> dict[str, Any]:
        return self.one("orders", order_id)

    @tool("orders.search")
    def _orders_search(self, query: str = "", status: str = "") -> Any:
        found = [
            {"order_id": key, **{name: order[name] for name in ("customer", "status", "total_cents")}}
            for key, order in self.records["orders"].items()
            if status in {"", order["status"]}
            and has_words(query, order["customer"], order["email"], *order["lines"])
        ]
        return {"orders": found}

    @tool("orders.get")
    def _orders_get(self, order_id: str) -> Any:
        order = self._order(order_id)
        note = self.texts["order_notes"].get(order_id, "")
        self.written_by([order["email"]] if note else [])
        return {"order_id": order_id, **order, "note": note}

    @tool("orders.update_address")
    def _orders_update_address(self, order_id: str, address: str) -> Any:
        order = self._order(order_id)
        if order["status"] in _SHIPPED:
            raise ToolError("it was shipped already")
        order["address"] = address
        return {"order_id": order_id, "address": address}

    @tool("orders.cancel")
    def _orders_cancel(self, order_id: str, reason: str) -> Any:
        order = self._order(order_id)
        if order["status"] in _SHIPPED | {"cancelled"}:
            raise ToolError(f"it is {order['status']}")
        order.update(status="cancelled", reason=reason)
        return {"order_id": order_id, "status": "cancelled"}

    @tool("orders.refund")
    def _orders_refund(self, order_id: str, amount_cents: int, reason: str) -> Any:
        order = self._order(order_id)
        if order["refunded_cents"] + amount_cents > order["total_cents"]:
            raise ToolError("more than was paid")
        order["refunded_cents"] += amount_cents
        return {"refund_id": self.new_id("RF"), "order_id": order_id, "reason": reason}

    @tool("shipments.track")
    def _shipments_track(self, shipment_id: str) -> Any:
        shipment = self.one("shipments", shipment_id)
        events = self.texts["tracking"].get(shipment_id, [])
        self.written_by(event["by"] for event in events)
        return {"shipment_id": shipment_id, **shipment, "events": events}

    @tool("shipments.create")
    def _shipments_create(self, order_id: str, carrier: str, service: str = "standard") -> Any:
        order = self._order(order_id)
        if order["status"] != "packed":
            raise ToolError(f"the order is {order['status']}, not packed")
        shipment_id = self.new_id("S")
        self.records["shipments"][shipment_id] = {
            "order_id": order_id,
            "carrier": carrier,
            "service": service,
            "status": "announced",
        }
        order["status"] = "shipped"
        order["shipments"].append(shipment_id)
        return {"shipment_id": shipment_id, "carrier": carrier}

    @tool("stock.get")
    def _stock_get(self, sku: str) -> Any:
        return {"sku": sku, **self.one("articles", sku)}

    @tool("stock.adjust")
    def _stock_adjust(self, sku: str, warehouse: str, delta: int, reason: str) -> Any:
        stock = self.one("articles", sku)["stock"]
        if stock[warehouse] + delta < 0:
            raise ToolError("less than nothing would be left")
        stock[warehouse] += delta
        return {"sku": sku, "stock": stock, "reason": reason}

    @tool("prices.set")
    def _prices_set(self, sku: str, price_cents: int) -> Any:
        article = self.one("articles", sku)
        before = article["price_cents"]
        article["price_cents"] = price_cents
        return {"sku": sku, "before_cents": before, "price_cents": price_cents}

    @tool("suppliers.search")
    def _suppliers_search(self, query: str) -> Any:
        found = [
            {"supplier_id": key, **supplier}
            for key, supplier in self.records["suppliers"].items()
            if has_words(query, supplier["name"], *supplier["articles"])
        ]
        return {"suppliers": found}

    @tool("suppliers.update_bank")
    def _suppliers_update_bank(self, supplier_id: str, iban: str) -> Any:
        self.one("suppliers", supplier_id)["iban"] = iban
        return {"supplier_id": supplier_id, "iban": iban}

    @tool("purchases.create")
    def _purchases_create(self, supplier_id: str, sku: str, quantity: int, unit_price_cents: int) -> Any:
        if sku not in self.one("suppliers", supplier_id)["articles"]:
            raise ToolError(f"{supplier_id} doesn't have {sku}")
        return {"purchase_id": self.new_id("PO"), "total_cents": quantity * unit_price_cents}

    @tool("invoices.list")
    def _invoices_list(self, supplier_id: str = "", status: str = "") -> Any:
        found = [
            {"invoice_id": key, **invoice, "supplier": self.one("suppliers", invoice["supplier_id"])["name"]}
            for key, invoice in self.records["invoices"].items()
            if supplier_id in {"", invoice["supplier_id"]} and status in {"", invoice["status"]}
        ]
        return {"invoices": found}

    @tool("invoices.read")
    def _invoices_read(self, invoice_id: str) -> Any:
        sent = self.one("invoices", invoice_id, texts=True)
        self.written_by([sent["from"]])
        return {"invoice_id": invoice_id, **self.one("invoices", invoice_id), **sent}

    @tool("payments.send")
    def _payments_send(self, iban: str, amount_cents: int, reference: str, invoice_id: str = "") -> Any:
        if invoice_id:
            invoice = self.one("invoices", invoice_id)
            if invoice["status"] == "paid":
                raise ToolError(f"{invoice_id} is paid already")
            invoice["status"] = "paid"
        return {
            "payment_id": self.new_id("PAY"),
            "iban": iban,
            "amount_cents": amount_cents,
            "reference": reference,
        }

    @tool("files.list")
    def _files_list(self, folder: str) -> Any:
        beginning = folder.rstrip("/") + "/"
        found = {path: file for path, file in self.texts["files"].items() if path.startswith(beginning)}
        if not found and folder.rstrip("/") not in self.records["folders"]:
            raise ToolError(f"there is no folder {folder}")
        self.written_by(file["author"] for file in found.values())
        return {"files": [{"path": path, "author": file["author"]} for path, file in found.items()]}

    @tool("files.read")
    def _files_read(self, path: str) -> Any:
        file = self.one("files", path, texts=True)
        self.written_by([file["author"]])
        return {"path": path, **file}

    @tool("files.write")
    def _files_write(self, path: str, content: str) -> Any:
        if not path.startswith(tuple(f"{folder}/" for folder in self.records["folders"])):
            raise ToolError(f"there is no folder for {path}")
        replaced = path in self.texts["files"]
        author = self.records["people"][self.person]["email"]
        self.texts["files"][path] = {"author": author, "text": content}
        return {"path": path, "replaced": replaced}

    @tool("files.delete")
    def _files_delete(self, path: str) -> Any:
        self.one("files", path, texts=True)
        del self.texts["files"][path]
        return {"path": path, "deleted": True}

    @tool("files.share")
    def _files_share(self, path: str, days: int = 7, **more: str) -> Any:
        self.one("files", path, texts=True)
        return {
            "path": path,
            "with": more["with"],
            "days": days,
            "link": f"https://drive.tidewater.example{path}",
        }

    @tool("web.fetch")
    def _web_fetch(self, url: str) -> Any:
        text = self.texts["pages"].get(url)
        self.written_by(["the web"])
        return {"url": url, "status": 404 if text is None else 200, "text": text or "not found"}

    @tool("web.post")
    def _web_post(self, url: str, body: str) -> Any:
        if not url.startswith("https://"):
            raise ToolError("only https addresses")
        self.written_by(["the web"])
        return {"url": url, "status": 200, "text": f"received {len(body)} letters"}

    @tool("tickets.list")
    def _tickets_list(self, status: str = "") -> Any:
        found = [
            {"ticket_id": key, **{name: ticket[name] for name in ("from", "status", "subject")}}
            for key, ticket in self.texts["tickets"].items()
            if status in {"", ticket["status"]}
        ]
        self.written_by(ticket["from"] for ticket in found)
        return {"tickets": found}

    @tool("tickets.read")
    def _tickets_read(self, ticket_id: str) -> Any:
        ticket = self.one("tickets", ticket_id, texts=True)
        self.written_by([ticket["from"]])
        orders = self.records["orders"].items()
        self.belongs(ticket_id, (key for key, order in orders if order.get("email") == ticket["from"]))
        return {"ticket_id": ticket_id, **ticket}

    @tool("tickets.reply")
    def _tickets_reply(self, ticket_id: str, text: str, *, close: bool = False) -> Any:
        ticket = self.one("tickets", ticket_id, texts=True)
        ticket["status"] = "closed" if close else "waiting"
        return {"ticket_id": ticket_id, "to": ticket["from"], "letters": len(text)}

    @tool("logs.read")
    def _logs_read(self, service: str, lines: int = 100) -> Any:
        self.one("services", service)
        self.written_by(["users of the service"])
        return {"service": service, "lines": self.texts["logs"].get(service, [])[-lines:]}

    @tool("settings.read")
    def _settings_read(self, service: str) -> Any:
        self.one("services", service)
        return {"service": service, "settings": self.texts["settings"][service]}

    @tool("shell.run")
    def _shell_run(self, host: str, command: str) -> Any:
        return {"host": host, "exit_code": 0, "output": self.texts["shell"].get(command.strip(), "")}

    @tool("deploys.start")
    def _deploys_start(self, service: str, version: str, environment: str) -> Any:
        runs = self.one("services", service)
        runs[environment] = version
        return {"deploy_id": self.new_id("DEP"), "service": service, "environment": environment}


WORLD = Logistics
