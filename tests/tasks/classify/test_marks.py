"""Marks that void or qualify a paper, and their near misses on papers that are valid."""

import pytest

from blocks.document_types.loader import load_document_types
from blocks.settings import PROJECT_DIR
from tasks.classify.judge import DOUBTED, TypeJudge
from tasks.classify.marks import marks_in
from tasks.classify.outline import outline_of
from tasks.classify.papers import known_papers

JUDGE = TypeJudge(load_document_types(PROJECT_DIR / "data" / "document_types"))

ENGLISH = """Harrow & Pike Consulting Ltd
12 Mill Lane, Leeds LS1 4AB
VAT No: GB 123 4567 82

{title}

Invoice number: INV-2041
Invoice date: 14 March 2025
Due date: 13 April 2025

Bill to: Northgate Stores Ltd

Description                 Qty    Unit price     Amount
{item}          1        1,240.00       1,240.00

Subtotal                                   GBP 1,240.00
VAT 20%                                    GBP 248.00
Total                                      GBP 1,488.00
{text}
IBAN: GB29 NWBK 6016 1331 9268 19
"""

GERMAN = """Müller Bürobedarf GmbH
Hauptstraße 5, 80331 München
USt-IdNr. DE123456789
{title}
Rechnungsnummer: 2025-118
Rechnungsdatum: 14.03.2025
Pos  Bezeichnung        Menge   Einzelpreis   Gesamt
1    {item}             3       20,00        60,00
Nettobetrag      60,00 EUR
MwSt 19 %        11,40 EUR
Rechnungsbetrag  71,40 EUR
{text}
"""

FRENCH = """SARL Dupont Fournitures
8 rue de la Paix, 75002 Paris
SIRET 732 829 320 00074   TVA FR44732829320
{title}
N° de facture : 2025-031
Date de facture : 13/04/2025
{item}     1    300,00     300,00
Total HT      300,00 €
TVA 20 %       60,00 €
Total TTC     360,00 €
{text}
"""

SPANISH = """Suministros del Sur SL
CIF B12345678
{title}
Número de factura: 2025-77
Fecha de factura: 13/04/2025
{item}     1    100,00     100,00
Base imponible   100,00 €
IVA 21 %          21,00 €
Total factura    121,00 €
{text}
"""

ITALIAN = """Forniture Rossi Srl
Partita IVA 01234567890
{title}
Numero fattura: 77/2025
Data fattura: 13/04/2025
Scadenza: 13/05/2025
Cliente: Bianchi SpA
Descrizione     Quantità    Prezzo unitario    Importo
{item}     1    100,00     100,00
Imponibile       100,00 €
IVA 22 %          22,00 €
Totale fattura   122,00 €
Condizioni di pagamento: 30 giorni, IBAN IT60 X054 2811 1010 0000 0123 456
{text}
"""

DUTCH = """Van Dijk Kantoor BV
BTW NL123456789B01
{title}
Factuurnummer: 2025-77
Factuurdatum: 13-04-2025
{item}     1    100,00     100,00
Subtotaal        100,00 €
BTW 21 %          21,00 €
Totaal           121,00 €
{text}
"""

RECEIPT = """CORNER SHOP
4 High Street
RECEIPT
Date: 14/03/2025 17:40
MILK 2L              2.40
{line}
BREAD                1.60
TOTAL                4.00
CASH                 5.00
CHANGE               1.00
"""


def invoice(template: str, title: str, text: str = "", item: str = "Consulting services") -> str:
    return template.format(title=title, text=text, item=item)


@pytest.mark.parametrize(
    ("template", "title", "remark"),
    [
        (ENGLISH, "DRAFT INVOICE - DO NOT PAY", "marked draft invoice do not pay"),
        (ENGLISH, "DRAFT", "marked draft"),
        (ENGLISH, "INVOICE\n*** Draft ***", "marked draft"),
        (ENGLISH, "INVOICE\n[ D R A F T ]", "marked draft"),
        (ENGLISH, "Draft invoice no. 2041", "marked draft invoice no 2041"),
        (ENGLISH, "INVOICE - VOID", "marked invoice void"),
        (ENGLISH, "Tax invoice (cancelled)", "marked tax invoice cancelled"),
        (ENGLISH, "Invoice INV-2041 – void", "marked invoice inv 2041 void"),
        (ENGLISH, "INVOICE\nStatus: Cancelled", "marked status cancelled"),
        (ENGLISH, "INVOICE - SUPERSEDED by INV-2042", "marked invoice superseded by inv 2042"),
        (ENGLISH, "THIS IS NOT AN INVOICE", "says this is not an invoice"),
        (ENGLISH, "This is not a VAT invoice", "says this is not a vat invoice"),
        (ENGLISH, "NOT A TAX INVOICE", "marked not a tax invoice"),
        (ENGLISH, "SAMPLE INVOICE", "marked sample invoice"),
        (ENGLISH, "INVOICE\nSPECIMEN", "marked specimen"),
        (ENGLISH, "Test invoice", "marked test invoice"),
        (ENGLISH, "INVOICE\nCopy for information only", "marked copy for information only"),
        (ENGLISH, "PAYMENT REMINDER - second notice", "titled payment reminder"),
        (ENGLISH, "Payment reminder – second notice", "titled payment reminder"),
        (ENGLISH, "Payment reminder - your invoice of March", "titled payment reminder"),
        (ENGLISH, "FINAL DEMAND", "titled final demand"),
        (ENGLISH, "REQUEST FOR PAYMENT", "titled request for payment"),
        (ENGLISH, "AGED DEBTORS REPORT", "titled aged debtors report"),
        (GERMAN, "RECHNUNG - STORNIERT", "marked rechnung storniert"),
        (GERMAN, "Rechnung\nEntwurf", "marked entwurf"),
        (GERMAN, "Rechnungsentwurf", "marked rechnungsentwurf"),
        (GERMAN, "Musterrechnung", "marked musterrechnung"),
        (GERMAN, "Rechnung\nDies ist keine Rechnung im Sinne des UStG", "says dies ist keine rechnung"),
        (GERMAN, "Auftragsbestätigung", "titled auftragsbestätigung"),
        (GERMAN, "AUFTRAGSBESTA\u0308TIGUNG Nr. 12", "titled auftragsbestätigung"),
        (GERMAN, "Betreff: Ihre Auftragsbestätigung", "titled auftragsbestätigung"),
        (GERMAN, "Rechnung - ungültig", "marked rechnung ungültig"),
        (GERMAN, "Zahlungsaufforderung", "titled zahlungsaufforderung"),
        (FRENCH, "FACTURE ANNULÉE", "marked facture annulée"),
        (FRENCH, "FACTURE - BROUILLON", "marked facture brouillon"),
        (FRENCH, "Facture annulée et remplacée par la 2025-032", "marked facture annulée et remplacée par la 2025 032"),
        (FRENCH, "Ceci n'est pas une facture", "says ceci n'est pas une facture"),
        (FRENCH, "Dernier rappel", "titled dernier rappel"),
        (SPANISH, "FACTURA ANULADA", "marked factura anulada"),
        (SPANISH, "BORRADOR DE FACTURA", "marked borrador de factura"),
        (SPANISH, "DOCUMENTO NO VÁLIDO COMO FACTURA", "says documento no valido como factura"),
        (ITALIAN, "FATTURA ANNULLATA", "marked fattura annullata"),
        (ITALIAN, "Fattura - bozza", "marked fattura bozza"),
        (DUTCH, "CONCEPTFACTUUR", "marked conceptfactuur"),
        (DUTCH, "Factuur geannuleerd", "marked factuur geannuleerd"),
        (DUTCH, "Betalingsverzoek", "titled betalingsverzoek"),
    ],
)
def test_a_title_or_stamp_that_qualifies_a_paper_is_doubted(template: str, title: str, remark: str) -> None:
    text = invoice(template, title)
    given = JUDGE.check_given(text, "invoice")
    assert (given.remark, given.confidence) == (remark, DOUBTED)
    [judged] = JUDGE.judge([text])
    assert judged.document_type == "unknown" or judged.confidence <= DOUBTED


@pytest.mark.parametrize(
    ("template", "text", "remark"),
    [
        (
            ENGLISH,
            "This is a pro forma invoice and not a demand for payment.",
            "says this is a pro forma invoice",
        ),
        (
            ENGLISH,
            "Please note that this document is not a valid tax invoice.",
            "says this document is not a valid tax",
        ),
        (ENGLISH, "This invoice has been cancelled.", "says this invoice has been cancelled"),
        (ENGLISH, "This invoice is superseded by INV-2042.", "says this invoice is superseded by"),
        (ENGLISH, "This is only a draft.", "says this is only a draft"),
        (ENGLISH, "This is a quotation.", "says this is a quotation"),
        (ENGLISH, "DRAFT\nPage 1 of 1\nDRAFT", "marked draft"),
        (ENGLISH, "SAMPLE\nPage 1 of 1\nSAMPLE", "marked sample"),
        (GERMAN, "Diese Rechnung wurde storniert.", "says diese rechnung wurde storniert"),
        (GERMAN, "Dies ist ein Entwurf.", "says dies ist ein entwurf"),
        (GERMAN, "Hierbei handelt es sich nicht um eine Rechnung.", "says handelt es sich nicht um eine rechnung"),
        (FRENCH, "Cette facture a été annulée.", "says cette facture a ete annulee"),
        (FRENCH, "Ce document ne constitue pas une facture.", "says ce document ne constitue pas une facture"),
        (SPANISH, "Esta factura ha sido anulada.", "says esta factura ha sido anulada"),
        (ITALIAN, "Questo documento non costituisce fattura.", "says questo documento non costituisce fattura"),
        (DUTCH, "Dit is geen factuur.", "says dit is geen factuur"),
    ],
)
def test_a_statement_or_watermark_in_the_text_is_doubted(template: str, text: str, remark: str) -> None:
    given = JUDGE.check_given(invoice(template, "", text), "invoice")
    assert given.confidence == DOUBTED
    assert given.remark is not None
    assert given.remark.startswith(remark)


@pytest.mark.parametrize(
    ("template", "title", "text", "item"),
    [
        (ENGLISH, "INVOICE - COPY", "", "Consulting services"),
        (ENGLISH, "DUPLICATE INVOICE", "", "Consulting services"),
        (ENGLISH, "INVOICE - PAID", "", "Consulting services"),
        (ENGLISH, "INVOICE", "This is not a receipt.", "Consulting services"),
        (ENGLISH, "INVOICE", "We send one payment reminder, then a final demand.", "Sample"),
        (ENGLISH, "INVOICE", "", "Draft of the annual report"),
        (ENGLISH, "INVOICE", "", "SAMPLE"),
        (ENGLISH, "INVOICE", "Samples\nSample\nOrders cancelled late are charged in full.", "Fabric"),
        (ENGLISH, "INVOICE", "DO NOT PAY: your direct debit will collect this amount.", "Water"),
        (ENGLISH, "INVOICE", "This is not a demand for payment. We collect it by direct debit.", "Water"),
        (ENGLISH, "INVOICE", "This invoice is void if altered.", "Water"),
        (ENGLISH, "INVOICE", "This invoice is cancelled if the goods are returned.", "Water"),
        (ENGLISH, "INVOICE", "A pro forma invoice is not a VAT invoice.", "Water"),
        (ENGLISH, "INVOICE", "This is a friendly reminder that we are closed on Monday.", "Water"),
        (ENGLISH, "INVOICE", "If this is not a valid invoice for you, call us.", "Water"),
        (ENGLISH, "INVOICE", "This is not a final invoice: the retention follows.", "Water"),
        (ENGLISH, "CREDIT NOTE\nCancelled invoice: INV-2040", "", "Consulting services"),
        (ENGLISH, "CREDIT NOTE\nCancelled invoice INV-2040", "", "Consulting services"),
        (ENGLISH, "INVOICE\nThis invoice supersedes INV-2040, which is void.", "", "Consulting services"),
        (ENGLISH, "INVOICE", "Invoice 2040 has been cancelled and replaced by this invoice.", "Water"),
        (GERMAN, "Stornorechnung", "", "Fachbuch"),
        (GERMAN, "Storno-Rechnung zu Rechnung 2025-117", "", "Fachbuch"),
        (GERMAN, "Rechnung - Kopie", "Diese Rechnung wird ohne Unterschrift ungültig.", "Muster"),
        (GERMAN, "Rechnung", "Nach der zweiten Mahnung geben wir die Sache ab.", "Entwurf Logo"),
        (GERMAN, "Rechnung", "Bitte nicht bezahlen, der Betrag wird abgebucht.", "Stoffmuster"),
        (FRENCH, "FACTURE\nAnnule et remplace la facture 2025-030", "", "Conseil"),
        (FRENCH, "FACTURE - DUPLICATA", "Tout rappel est facturé 15,00 €.", "Exemplaire"),
        (SPANISH, "FACTURA - COPIA", "Esta factura no es válida sin sello.", "Muestra"),
        (ITALIAN, "FATTURA\nCopia di cortesia non valida ai fini fiscali", "", "Campione"),
        (DUTCH, "FACTUUR - KOPIE", "Na een herinnering volgt een aanmaning.", "Concept huisstijl"),
    ],
)
def test_a_valid_invoice_is_not_doubted(template: str, title: str, text: str, item: str) -> None:
    found = invoice(template, title, text, item)
    given = JUDGE.check_given(found, "invoice")
    assert (given.remark, given.confidence) == (None, 1.0)
    [judged] = JUDGE.judge([found])
    assert (judged.document_type, judged.remark) == ("invoice", None)


@pytest.mark.parametrize(
    "line",
    [
        "VOID                -1.20",
        "VOID\n-1.20",
        "** VOID **\nEGGS                -1.20",
        "Void\nEGGS                1.20-",
        "ITEM VOID           (1.20)",
        "DRAFT BEER           6.00",
        "DRAFT\n6.00",
        "SAMPLE               0.00",
        "This is not a tax invoice",
    ],
)
def test_a_line_of_a_receipt_does_not_void_it(line: str) -> None:
    given = JUDGE.check_given(RECEIPT.format(line=line), "receipt")
    assert (given.remark, given.confidence) == (None, 1.0)


@pytest.mark.parametrize(
    ("line", "remark"),
    [
        ("*** VOID ***", None),
        ("This is not a receipt", "says this is not a receipt"),
        ("VOID RECEIPT", "marked void receipt"),
    ],
)
def test_a_void_receipt_is_doubted(line: str, remark: str | None) -> None:
    text = RECEIPT.format(line="").replace("RECEIPT", f"RECEIPT\n{line}", 1)
    assert JUDGE.check_given(text, "receipt").remark == (remark or "marked void")


def test_a_stamp_voids_papers_and_no_messages() -> None:
    text = "DRAFT\nMy parcel has not arrived. Please help, my order number is 4711."
    assert JUDGE.check_given(text, "support_ticket").remark is None
    assert JUDGE.check_given(text, "moderation_item").remark is None
    assert JUDGE.check_given(text, "resume").remark == "marked draft"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Brightwater Ltd\nCANCELLED - VOID\nInvoice 4", "cancelled void"),
        ("Garage du Port      A N N U L É\nFacture 3", "annulé"),
        ("Brightwater Ltd      DRAFT\nInvoice 3", "draft"),
        ("Brightwater Ltd\nDraft    Draft    Draft\nInvoice 3", "draft"),
        ("Rechnung\nstorniert\n", "storniert"),
        ("Room 12, cancelled      60.00\nCancelled    60.00\n", None),
        ("SAMPLE      TEST      PRICE\nBlood      pH      4.00\n", None),
        ("Stornorechnung 4 zu Rechnung 3", None),
        ("Your booking was cancelled.", None),
        ("Brightwater Ltd\nNOT A CREDIT NOTE\n", None),
        ("Brightwater Ltd\nThe invoice is void\n", None),
        ("Part A100\nreplaced by A101\n", None),
    ],
)
def test_a_stamp_stands_alone(text: str, mark: str | None) -> None:
    found = marks_in(outline_of(text), known_papers())
    assert (found[0].words if found else None) == mark


def test_a_statement_about_another_kind_of_paper_concerns_no_other() -> None:
    [mark] = marks_in(outline_of("Thank you.\nThis is not an invoice."), known_papers())
    assert mark.concerns(frozenset({"invoice"}))
    assert not mark.concerns(frozenset({"receipt"}))
    [mark] = marks_in(outline_of("This is a pro forma invoice."), known_papers())
    assert mark.concerns(frozenset({"invoice"}))
    assert not mark.concerns(frozenset({"pro forma invoice"}))
    assert not mark.concerns(frozenset({"support ticket"}))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (ENGLISH, "Statement of Account as at 31.03.2025"),
        (ENGLISH, "Statement of account: March 2025"),
        (ENGLISH, "Account Statement Period: 1 March - 31 March 2025"),
        (ENGLISH, "Statement date: 31 March 2025"),
        (ENGLISH, "Statement of account\n\nInvoice"),
        (ENGLISH, "Overdue invoices"),
        (ENGLISH, "INVOICE PROFORMA"),
        (ENGLISH, "Quotation as of 3 March 2025"),
        (ENGLISH, "Purchase order confirmation PO-77 of 3 March"),
        (GERMAN, "Offene-Posten-Liste"),
        (GERMAN, "Kontoauszug Zeitraum 01.03. - 31.03.2025"),
        (FRENCH, "Relevé de compte au 31/03/2025"),
    ],
)
def test_a_paper_of_another_kind_with_the_labels_of_an_invoice_is_doubted_even_if_its_type_is_given(
    text: str, title: str
) -> None:
    found = JUDGE.check_given(text.format(title=title, item="Consulting", text=""), "invoice")
    assert found.confidence == DOUBTED
    assert (found.remark or "").startswith("titled ")


@pytest.mark.parametrize(
    ("title", "said"), [("", "This is a statement of account, not an invoice."), ("Not valid as invoice", "")]
)
def test_a_paper_that_says_below_that_it_is_no_invoice_is_doubted(title: str, said: str) -> None:
    found = JUDGE.check_given(ENGLISH.format(title=title, item="Consulting", text=said), "invoice")
    assert found.confidence == DOUBTED


@pytest.mark.parametrize(
    "title",
    [
        "INVOICE\nDelivery note: 4711",
        "INVOICE\nQuotation as of 3 March 2025",
        "Invoice as of 31 March 2025",
        "Invoice\nPayment: by bank transfer, see your bank statement",
        "Order confirmation no: 4711\nInvoice",
    ],
)
def test_what_an_invoice_refers_to_does_not_make_it_another_paper(title: str) -> None:
    found = JUDGE.check_given(ENGLISH.format(title=title, item="Consulting", text=""), "invoice")
    assert (found.confidence, found.remark) == (1.0, None)
